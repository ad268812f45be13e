/** Maximum size of an answer that a function may read, in bytes. */
// Guard (SECURITY.md): own-answer-size
const replyBytes = 65_536;

/** Reads up to 64 KB of a body; resolves to undefined if there is more. */
export async function readBytes(body: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer> | undefined> {
	const chunks: Uint8Array[] = [];
	let bytes = 0;
	for await (const chunk of body) {
		bytes += chunk.byteLength;
		if (bytes > replyBytes) return undefined;
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}

/** A body whose reading fails, as that of a cut-off answer. */
const unreadable = () =>
	new ReadableStream({
		start: (controller) => controller.error(new Error(`the answer is longer than ${replyBytes} bytes`)),
	});

/** Copies a response with its body, which is read now, so that its connection can be used again. */
async function read(response: Response): Promise<Response> {
	const { body, status, statusText, headers } = response;
	const bytes = body && (await readBytes(body));
	return new Response(bytes === undefined ? unreadable() : bytes, { status, statusText, headers });
}

const signalOf = (input: string | URL | Request, init: RequestInit): AbortSignal | undefined =>
	init.signal ?? (input instanceof Request ? input.signal : undefined);

/** Makes a `fetch` that ends with a signal, follows no redirect, and reads up to 64 KB of the answer. */
export function boundedFetch(limit: AbortSignal) {
	return (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
		const own = signalOf(input, init);
		const signal = own ? AbortSignal.any([own, limit]) : limit;
		// Guard (SECURITY.md): own-redirects
		const answer = fetch(input, { ...init, redirect: "manual", signal }).then(read);
		// A function that forgets to await it must not end the process.
		answer.catch(() => {});
		return answer;
	};
}
