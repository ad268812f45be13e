/** A request that a tested function has sent. */
export interface SentRequest {
	method: string;
	url: string;
	headers: Record<string, string>;
	body: string;
}

/** An answer to a request; undefined for none until the request is given up. */
export type Answering = (request: Request) => Response | Promise<Response> | undefined;

/** Stands in for the service behind a destination: a `fetch` whose requests go nowhere. */
export function createReceiver(limit: AbortSignal, answer: Answering) {
	const sent: SentRequest[] = [];
	let underWay = 0;

	async function receive(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
		const own = init.signal ?? (input instanceof Request ? input.signal : undefined);
		const signal = own ? AbortSignal.any([own, limit]) : limit;
		const request = new Request(input, { ...init, signal });
		const { method, url, headers } = request;
		sent.push({ method, url, headers: Object.fromEntries(headers), body: await request.clone().text() });
		const given = answer(request);
		// It is awaited later.
		if (given instanceof Promise) given.catch(() => {});
		// A service takes its time: whoever does not wait for it is found out.
		await new Promise((done) => setTimeout(done, 5));
		signal.throwIfAborted();
		if (given !== undefined) return given;
		return new Promise((_resolve, reject) => {
			signal.addEventListener("abort", () => reject(signal.reason), { once: true });
		});
	}

	return {
		sent,
		/** Number of requests that are not answered yet. */
		underWay: () => underWay,
		fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
			underWay += 1;
			const receiving = receive(input, init).finally(() => {
				underWay -= 1;
			});
			receiving.catch(() => {});
			return receiving;
		},
	};
}
