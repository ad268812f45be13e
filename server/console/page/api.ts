import type { BudgetHistory, DeadLetterPageView, LiveLine, SearchReply, Stats, Wanted } from "../../../shared/admin.ts";

/** A failed request. `code` is the proxy's, or `unreachable`. */
class ApiError extends Error {
	override readonly name = "ApiError";
	readonly code: string;
	constructor(code: string, options?: ErrorOptions) {
		super(code, options);
		this.code = code;
	}
}

/** Returns the code of a failed call. */
export const codeOf = (error: unknown): string => (error instanceof ApiError ? error.code : "unreachable");

/** A selection of dead letters. Empty: all of them. */
export interface Selection {
	ids?: string[];
	destination?: string;
}

export type Api = ReturnType<typeof createApi>;

/**
 * Calls `/admin/*` of the proxy that served the page. Every call can reject with an {@link ApiError}; `onRefused` is
 * called when the token is refused.
 */
export function createApi(token: string | undefined, onRefused: () => void) {
	async function ask(path: string, init: RequestInit = {}): Promise<Response> {
		const headers = new Headers(init.headers);
		if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
		if (init.body !== undefined) headers.set("Content-Type", "application/json");
		const url = new URL(`admin/${path}`, document.baseURI);
		const response = await fetch(url, { ...init, headers, cache: "no-store" }).catch((cause) => {
			throw new ApiError("unreachable", { cause });
		});
		if (response.ok) return response;
		const { code = "unreachable" } = await response.json().catch(() => ({}));
		if (response.status === 401) onRefused();
		throw new ApiError(code);
	}

	const read = async <Body>(path: string, init?: RequestInit): Promise<Body> => {
		const response = await ask(path, init);
		return response.json().catch((cause) => {
			throw new ApiError("unreachable", { cause });
		});
	};

	return {
		stats: () => read<Stats>("stats"),
		budget: () => read<BudgetHistory>("budget"),
		deadLetters({ destination, cursor }: { destination?: string; cursor?: string }) {
			const query = new URLSearchParams({ ...(destination && { destination }), ...(cursor && { cursor }) });
			return read<DeadLetterPageView>(`deadletters?${query}`);
		},
		/** Replays or discards dead letters in steps. Resolves to their number. */
		async change(kind: "replay" | "discard", which: Selection, onProgress: (done: number) => void): Promise<number> {
			const [method, path] = kind === "replay" ? ["POST", "deadletters/replay"] : ["DELETE", "deadletters"];
			const headers = { Accept: "application/x-ndjson" };
			const response = await ask(path, { method, headers, body: JSON.stringify(which) });
			for await (const line of linesOf(response)) {
				const { replayed, discarded, done } = line as { replayed?: number; discarded?: number; done?: true };
				const count = replayed ?? discarded ?? 0;
				if (done) return count;
				onProgress(count);
			}
			throw new ApiError("store_unavailable");
		},
		search: (wanted: Wanted, signal: AbortSignal) =>
			read<SearchReply>("search", { method: "POST", body: JSON.stringify(wanted), signal }),
		/** Calls `onLine` with each line. Resolves when the stream has ended. */
		async live(onLine: (line: LiveLine) => void, signal: AbortSignal): Promise<void> {
			const response = await ask("live", { signal });
			for await (const line of linesOf(response)) onLine(line as LiveLine);
		},
	};
}

/** Yields the JSON lines of an answer as they arrive. */
async function* linesOf(response: Response): AsyncGenerator<unknown> {
	const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
	let text = "";
	for (;;) {
		const part = await reader?.read();
		if (!part || part.done) return;
		const lines = (text + part.value).split("\n");
		text = lines.pop() ?? "";
		for (const line of lines) if (line !== "") yield JSON.parse(line);
	}
}
