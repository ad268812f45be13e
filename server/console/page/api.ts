import type {
	BudgetHistory,
	DeadLetterGroups,
	DeadLetterPageView,
	ExchangeReply,
	Explanation,
	History,
	LiveLine,
	SearchReply,
	SetAsidePageView,
	Stats,
	Wanted,
} from "../../../shared/admin.ts";

import type { Ages } from "./words.ts";

/** The proxy's refusal of a request. Its message is the code. */
class Refusal extends Error {}

/** Returns the proxy's code for a refused call, or `unreachable`. */
export const codeOf = (error: unknown): string => (error instanceof Refusal ? error.message : "unreachable");

/** Returns the proxy's words for a mistake in the call; undefined for any other failure. */
export const detailOf = (error: unknown): string | undefined =>
	codeOf(error) === "malformed_body" && error instanceof Refusal ? String(error.cause) : undefined;

/** Conditions of dead letters, all of which must be met. */
export interface Filter {
	destination?: string;
	reason?: string;
	name?: string;
	/** Start of the period of the last attempt, ms since the epoch. */
	since?: number;
}

/** A selection of dead letters: some, those that meet conditions, or without any condition all. */
export type Selection = { ids: string[] } | Filter;

const queryOf = (filter: object) =>
	new URLSearchParams(
		Object.entries(filter).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
	);

/** A selection of batches that were set aside. */
export type BatchSelection = { ids: string[] } | { all: true };

export type Api = ReturnType<typeof createApi>;

/** Calls `/admin/*` of the proxy that served the page. `onRefused` is called when the token is refused. */
export function createApi(token: string | undefined, onRefused: () => void) {
	async function ask(path: string, init: RequestInit = {}): Promise<Response> {
		const headers = new Headers(init.headers);
		if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
		if (init.body !== undefined) headers.set("Content-Type", "application/json");
		const url = new URL(`admin/${path}`, document.baseURI);
		const response = await fetch(url, { ...init, headers, cache: "no-store" });
		if (response.ok) return response;
		const { code = "unreachable", detail } = await response.json().catch(() => ({}));
		if (response.status === 401) onRefused();
		throw new Refusal(code, { cause: detail });
	}

	const read = async <Body>(path: string, init?: RequestInit): Promise<Body> => (await ask(path, init)).json();

	return {
		stats: () => read<Stats>("stats"),
		budget: () => read<BudgetHistory>("budget"),
		history: () => read<History>("history"),
		pause: (destination: string) => ask(`destinations/${encodeURIComponent(destination)}/pause`, { method: "POST" }),
		resume: (destination: string) => ask(`destinations/${encodeURIComponent(destination)}/resume`, { method: "POST" }),
		/** Reads a page of dead letters, the newest first. */
		deadLetters: (filter: Filter, cursor?: string) =>
			read<DeadLetterPageView>(`deadletters?${queryOf({ ...filter, cursor, order: "newest" })}`),
		deadLetterGroups: (filter: Filter) => read<DeadLetterGroups>(`deadletters/groups?${queryOf(filter)}`),
		/** Reads how many dead letters are selected, and when their events happened. The times are infinite for none. */
		async ages(which: Selection): Promise<Ages> {
			const ages = { count: 0, oldest: Number.POSITIVE_INFINITY, newest: Number.NEGATIVE_INFINITY };
			if ("ids" in which) {
				const { items } = await read<DeadLetterPageView>(
					`deadletters?${queryOf({ ids: which.ids.join(), limit: 500 })}`,
				);
				const times = items.map(({ event }) => event.at);
				return { count: items.length, oldest: Math.min(...times), newest: Math.max(...times) };
			}
			const { groups, count, isComplete } = await read<DeadLetterGroups>(`deadletters/groups?${queryOf(which)}`);
			for (const { oldest, newest } of groups) {
				ages.oldest = Math.min(ages.oldest, oldest);
				ages.newest = Math.max(ages.newest, newest);
			}
			return { ...ages, count, isAtLeast: !isComplete };
		},
		/** Replays or discards dead letters in steps. Resolves to their number. */
		async change(kind: "replay" | "discard", which: Selection, onProgress: (done: number) => void): Promise<number> {
			const [method, path] = kind === "replay" ? ["POST", "deadletters/replay"] : ["DELETE", "deadletters"];
			const headers = { Accept: "application/x-ndjson" };
			const isAll = Object.values(which).every((value) => value === undefined);
			const body = JSON.stringify(isAll ? { all: true } : which);
			const response = await ask(path, { method, headers, body });
			for await (const line of linesOf(response)) {
				const { replayed, discarded, done } = line as { replayed?: number; discarded?: number; done?: true };
				const count = replayed ?? discarded ?? 0;
				if (done) return count;
				onProgress(count);
			}
			throw new Refusal("store_unavailable");
		},
		setAside: (cursor?: string) => read<SetAsidePageView>(`journal${cursor === undefined ? "" : `?cursor=${cursor}`}`),
		/** Retries or discards batches that were set aside; resolves to their number. */
		async changeSetAside(kind: "retry" | "discard", which: BatchSelection): Promise<number> {
			const init = { method: "POST", body: JSON.stringify(which) };
			const { retried, discarded } = await read<{ retried?: number; discarded?: number }>(`journal/${kind}`, init);
			return retried ?? discarded ?? 0;
		},
		search: (wanted: Wanted, signal: AbortSignal) =>
			read<SearchReply>("search", { method: "POST", body: JSON.stringify(wanted), signal }),
		/** Reads what was sent for an event and what was answered, masked unless `show` is true. */
		exchanges: (event: string, show: boolean) =>
			read<ExchangeReply>("exchanges", { method: "POST", body: JSON.stringify({ event, show }) }),
		explain: (event: unknown) => read<Explanation>("explain", { method: "POST", body: JSON.stringify(event) }),
		/** Calls `onLine` with each line, in which people are masked unless `show` is true. Resolves when the stream has ended. */
		async live(show: boolean, onLine: (line: LiveLine) => void, signal: AbortSignal): Promise<void> {
			const response = await ask(`live?show=${show}`, { signal });
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
