import { replyBytes } from "./limits.ts";

/** Receives the answer to a request of undici. Its versions 1 to 8 take this form of a handler. */
interface Handler {
	onConnect(abort: () => void): void;
	/** Called with names and values in turn, also for the interim answers, whose status is below 200. */
	onHeaders(status: number, headers: Buffer[], resume: () => void, statusText: string): boolean;
	onData(chunk: Buffer): boolean;
	onComplete(): void;
	onError(error: Error): void;
}

/** The part of undici that sends requests: https://undici.nodejs.org/#/docs/api/Dispatcher */
interface Dispatcher {
	dispatch(
		request: { origin: string; path: string; method: string; headers: string[]; body: string | Uint8Array | null },
		handler: Handler,
	): void;
}

/** A request that needs nothing of `fetch` but its connections. */
interface PlainRequest {
	url: URL;
	method: string;
	headers: Headers;
	body: string | Uint8Array | null;
}

/** An answer; its `body` is undefined if it is too long, packed or broken off. */
interface Answered {
	status: number;
	statusText: string;
	headers: Headers;
	body: Buffer<ArrayBuffer> | undefined;
}

const fetchOfNode = globalThis.fetch;

/**
 * Returns the dispatcher by which Node's own `fetch` sends requests; the app may have set it, as for a proxy. Undefined
 * before `fetch`, `Request` or `Response` was used, and where the app has replaced `fetch`.
 * https://undici.nodejs.org/#/docs/api/GlobalInstallation
 */
export const dispatcherOfNode = (): Dispatcher | undefined =>
	globalThis.fetch === fetchOfNode ? Reflect.get(globalThis, Symbol.for("undici.globalDispatcher.1")) : undefined;

const plainOptions = new Set(["method", "headers", "body", "signal", "redirect"]);
const plainMethods = new Set(["GET", "POST", "PUT", "PATCH", "DELETE"]);

/** Returns the parts of a request to an address, with text or bytes as a body; undefined for any other. */
export function plainRequest(input: string | URL | Request, init: RequestInit): PlainRequest | undefined {
	const { method = "GET", body = null } = init;
	if (input instanceof Request || !URL.canParse(String(input))) return undefined;
	if (!Object.keys(init).every((option) => plainOptions.has(option))) return undefined;
	if (!plainMethods.has(method) || (method === "GET" && body !== null)) return undefined;
	if (!(body === null || typeof body === "string" || body instanceof Uint8Array)) return undefined;
	const url = new URL(input as string | URL);
	if (!/^https?:$/.test(url.protocol) || url.username || url.password) return undefined;
	const headers = new Headers(init.headers);
	// Sets the headers of `fetch`, but asks for an answer that is not packed.
	if (typeof body === "string" && !headers.has("content-type")) headers.set("content-type", "text/plain;charset=UTF-8");
	for (const [name, value] of [
		["accept", "*/*"],
		["accept-encoding", "identity"],
		["user-agent", "node"],
	] as const)
		if (!headers.has(name)) headers.set(name, value);
	return { url, method, headers, body };
}

/** Reads raw headers. */
function headersOf(raw: Buffer[]): Headers {
	const headers = new Headers();
	for (let place = 0; place + 1 < raw.length; place += 2)
		headers.append(String(raw[place]), raw[place + 1]?.toString("latin1") ?? "");
	return headers;
}

/**
 * Sends a request through a dispatcher, which follows no redirect. Reads up to 64 KB of the answer. Rejects only if the
 * signal is aborted, or the network fails, before the answer begins.
 */
export function dispatch(dispatcher: Dispatcher, request: PlainRequest, signal: AbortSignal): Promise<Answered> {
	const { url, method, headers, body } = request;
	return new Promise((resolve, reject) => {
		signal.throwIfAborted();
		const chunks: Buffer[] = [];
		let bytes = 0;
		let head: Omit<Answered, "body"> | undefined;
		let abort = () => {};
		function stop(): void {
			end(undefined);
			reject(signal.reason);
			abort();
		}
		signal.addEventListener("abort", stop, { once: true });
		function end(whole: Buffer<ArrayBuffer> | undefined): void {
			signal.removeEventListener("abort", stop);
			if (head) resolve({ ...head, body: head.headers.has("content-encoding") ? undefined : whole });
		}
		const options = { origin: url.origin, path: url.pathname + url.search, method, headers: [...headers].flat(), body };
		dispatcher.dispatch(options, {
			onConnect(by) {
				abort = by;
				if (signal.aborted) abort();
			},
			onHeaders(status, raw, _resume, statusText) {
				if (status >= 200) head = { status, statusText, headers: headersOf(raw) };
				return true;
			},
			onData(chunk) {
				bytes += chunk.length;
				if (bytes > replyBytes) {
					end(undefined);
					abort();
				} else chunks.push(chunk);
				return true;
			},
			onComplete: () => end(Buffer.concat(chunks)),
			onError(error) {
				end(undefined);
				reject(new TypeError("fetch failed", { cause: error }));
			},
		});
	});
}
