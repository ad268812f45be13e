import { answerBytes, dispatch, dispatcherOfNode } from "../providers/node-dispatch.ts";
import { plainRequest } from "./plain-request.ts";

/** Reads up to 64 KB of a body; resolves to undefined if there is more. */
export async function readBytes(body: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer> | undefined> {
	const chunks: Uint8Array[] = [];
	let bytes = 0;
	for await (const chunk of body) {
		bytes += chunk.byteLength;
		if (bytes > answerBytes) return undefined;
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}

/** A body whose reading fails. */
const unreadable = () =>
	new ReadableStream({
		start: (controller) =>
			controller.error(new Error(`the answer is longer than ${answerBytes} bytes, or packed, or broken off`)),
	});

const bodiless = new Set([204, 205, 304]);

/** Makes a response of what was read of it. A `Response` refuses some status texts that servers send. */
function responseOf(bytes: Uint8Array<ArrayBuffer> | undefined, { statusText = "", ...init }: ResponseInit): Response {
	const isText = /^[\t\x20-\x7e\x80-\xff]*$/.test(statusText);
	const body = bodiless.has(init.status ?? 200) ? null : (bytes ?? unreadable());
	return new Response(body, { ...init, statusText: isText ? statusText : "" });
}

/** Copies a response with its body, which is read now, so that its connection can be used again. */
async function read({ body, status, statusText, headers }: Response): Promise<Response> {
	const bytes = body ? await readBytes(body).catch(() => undefined) : new Uint8Array();
	return responseOf(bytes, { status, statusText, headers });
}

/** Reads raw headers: names and values in turn. */
function headersOf(raw: Buffer[]): Headers {
	const headers = new Headers();
	for (let place = 0; place + 1 < raw.length; place += 2)
		headers.append(String(raw[place]), raw[place + 1]?.toString("latin1") ?? "");
	return headers;
}

const signalOf = (input: string | URL | Request, init: RequestInit): AbortSignal | undefined =>
	init.signal ?? (input instanceof Request ? input.signal : undefined);

/** Sends a request, around Node's `fetch` where that can be: it takes several times as much CPU. */
async function send(input: string | URL | Request, init: RequestInit, signal: AbortSignal): Promise<Response> {
	const dispatcher = dispatcherOfNode();
	const plain = dispatcher && plainRequest(input, init);
	if (plain) {
		const { body, headers: raw, ...head } = await dispatch(dispatcher, plain, [signal]);
		const headers = headersOf(raw);
		return responseOf(headers.has("content-encoding") ? undefined : body, { ...head, headers });
	}
	// Guard (SECURITY.md): own-redirects
	const response = await fetch(input, { ...init, redirect: "manual", signal });
	return read(response);
}

/** Makes a `fetch` that ends with a signal, follows no redirect, and reads up to 64 KB of the answer. */
export function boundedFetch(limit: AbortSignal) {
	return (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
		const own = signalOf(input, init);
		const answer = send(input, init, own && own !== limit ? AbortSignal.any([own, limit]) : limit);
		// A function that forgets to await it must not end the process.
		answer.catch(() => {});
		return answer;
	};
}
