/** Maximum size of an answer, in bytes. A longer one is not an API's, and counts as unreadable. */
// Guard (SECURITY.md): answer-size
export const answerBytes = 65_536;

/** An HTTP request whose body is at hand. */
export interface PlainRequest {
	url: URL;
	method: string;
	headers: Headers;
	body: string | Uint8Array | null;
}

/** An answer as it came. */
export interface RawAnswer {
	status: number;
	statusText: string;
	/** Names and values in turn. */
	headers: Buffer[];
	/** The bytes received, still packed. Undefined if the body broke off or is too long. */
	body: Buffer<ArrayBuffer> | undefined;
}

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

const fetchOfNode = globalThis.fetch;

/**
 * Returns the dispatcher by which Node's own `fetch` sends requests; the app may have set it, as for a proxy. Undefined
 * before `fetch`, `Request` or `Response` was used, and where the app has replaced `fetch`.
 * https://undici.nodejs.org/#/docs/api/GlobalInstallation
 */
export const dispatcherOfNode = (): Dispatcher | undefined =>
	globalThis.fetch === fetchOfNode ? Reflect.get(globalThis, Symbol.for("undici.globalDispatcher.1")) : undefined;

/**
 * Sends a request through a dispatcher, which follows no redirect. Reads up to 64 KB of the answer. Rejects if the
 * network fails, or a signal is aborted, before the answer begins.
 */
export function dispatch(dispatcher: Dispatcher, request: PlainRequest, signals: AbortSignal[]): Promise<RawAnswer> {
	const { url, method, headers, body } = request;
	return new Promise((resolve, reject) => {
		for (const signal of signals) signal.throwIfAborted();
		const chunks: Buffer[] = [];
		let bytes = 0;
		let head: Omit<RawAnswer, "body"> | undefined;
		let abort = () => {};
		function end(whole?: Buffer<ArrayBuffer>, error?: unknown): void {
			for (const signal of signals) signal.removeEventListener("abort", stop);
			if (head) resolve({ ...head, body: whole });
			else reject(error);
		}
		function stop(): void {
			end(undefined, signals.find(({ aborted }) => aborted)?.reason);
			abort();
		}
		for (const signal of signals) signal.addEventListener("abort", stop);
		const options = { origin: url.origin, path: url.pathname + url.search, method, headers: [...headers].flat(), body };
		dispatcher.dispatch(options, {
			onConnect(by) {
				abort = by;
				if (signals.some(({ aborted }) => aborted)) abort();
			},
			onHeaders(status, received, _resume, statusText) {
				if (status >= 200) head = { status, statusText, headers: received };
				return true;
			},
			onData(chunk) {
				bytes += chunk.length;
				if (bytes > answerBytes) stop();
				else chunks.push(chunk);
				return true;
			},
			onComplete: () => end(Buffer.concat(chunks)),
			onError: (cause) => end(undefined, new TypeError("fetch failed", { cause })),
		});
	});
}
