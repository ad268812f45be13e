import { unpackers } from "../http/body-room.ts";

/** Maximum size of an answer, in bytes. A longer one is not an API's, and counts as unreadable. */
// Guard (SECURITY.md): answer-size
const answerBytes = 65_536;

/** An answer as it came. */
export interface Answered {
	status: number;
	retryAfter: string | undefined;
	/** The body. Undefined if it breaks off, is too long, or is not in the encoding that it names. */
	text: string | undefined;
}

/** Receives the answer to a request of undici. Its versions 1 to 8 take this form of a handler. */
interface Handler {
	onConnect(abort: () => void): void;
	/** Called with names and values in turn, also for the interim answers, whose status is below 200. */
	onHeaders(status: number, headers: Buffer[]): boolean;
	onData(chunk: Buffer): boolean;
	onComplete(): void;
	onError(error: Error): void;
}

/** The part of undici that sends requests: https://undici.nodejs.org/#/docs/api/Dispatcher */
interface Dispatcher {
	dispatch(
		request: { origin: string; path: string; method: string; headers: string[]; body: string | null },
		handler: Handler,
	): void;
}

/**
 * Returns the dispatcher by which Node's own `fetch` sends requests; the app may have set it, as for a proxy. Undefined
 * before `fetch`, `Request` or `Response` was used: https://undici.nodejs.org/#/docs/api/GlobalInstallation
 */
const dispatcherOfNode = (): Dispatcher | undefined => Reflect.get(globalThis, Symbol.for("undici.globalDispatcher.1"));

/** Finds a header by its name in lower case. */
function headerOf(headers: Buffer[], name: string): string | undefined {
	for (let place = 0; place < headers.length; place += 2) {
		const isSame = headers[place]?.length === name.length && headers[place]?.toString().toLowerCase() === name;
		if (isSame) return headers[place + 1]?.toString("latin1");
	}
	return undefined;
}

/** Unpacks and decodes a body. Undefined if it is too long, or not in the encoding that it names. */
function textOf(body: Buffer, encoding = "identity"): string | undefined {
	try {
		const bytes = unpackers.get(encoding.toLowerCase())?.(body, { maxOutputLength: answerBytes });
		return bytes?.toString().replace(/^\ufeff/, "");
	} catch {
		return undefined;
	}
}

/** Sends a request through a dispatcher, which follows no redirects. */
function dispatch(dispatcher: Dispatcher, request: Request, body: string | null, signals: AbortSignal[]) {
	const { url, method, headers } = request;
	const { origin, pathname, search } = new URL(url);
	return new Promise<Answered>((resolve, reject) => {
		const chunks: Buffer[] = [];
		let bytes = 0;
		let status = 0;
		let received: Buffer[] = [];
		let abort = () => {};
		function end(text?: string): void {
			for (const signal of signals) signal.removeEventListener("abort", stop);
			if (status > 0) resolve({ status, retryAfter: headerOf(received, "retry-after"), text });
			else reject(new Error("no answer came"));
		}
		function stop(): void {
			end();
			abort();
		}
		for (const signal of signals) signal.addEventListener("abort", stop);
		const options = { origin, path: pathname + search, method, headers: [...headers].flat(), body };
		dispatcher.dispatch(options, {
			onConnect(by) {
				abort = by;
				if (signals.some(({ aborted }) => aborted)) abort();
			},
			onHeaders(code, raw) {
				if (code >= 200) [status, received] = [code, raw];
				return true;
			},
			onData(chunk) {
				bytes += chunk.length;
				if (bytes > answerBytes) stop();
				else chunks.push(chunk);
				return true;
			},
			onComplete: () => end(textOf(Buffer.concat(chunks), headerOf(received, "content-encoding"))),
			onError: () => end(),
		});
	});
}

/** Reads a body as text; resolves to undefined if it is longer than the limit. */
async function readLimited({ body }: Response): Promise<string | undefined> {
	const decoder = new TextDecoder();
	let text = "";
	let bytes = 0;
	for await (const chunk of body ?? []) {
		bytes += chunk.byteLength;
		if (bytes > answerBytes) return undefined;
		text += decoder.decode(chunk, { stream: true });
	}
	return text + decoder.decode();
}

const fetchOfNode = globalThis.fetch;

/**
 * Sends a request with a body and reads up to 64 KB of the answer. Rejects if none begins before a signal is aborted.
 * Goes around Node's `fetch`, which takes four times as much CPU, but not around one that has replaced it.
 */
export async function sendOnce(request: Request, body: string | null, signals: AbortSignal[]): Promise<Answered> {
	for (const signal of signals) signal.throwIfAborted();
	const dispatcher = dispatcherOfNode();
	if (dispatcher && fetch === fetchOfNode) return dispatch(dispatcher, request, body, signals);
	const response = await fetch(request, { body, signal: AbortSignal.any(signals) });
	const text = await readLimited(response).catch(() => undefined);
	return { status: response.status, retryAfter: response.headers.get("retry-after") ?? undefined, text };
}
