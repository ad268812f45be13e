import ky from "ky";
import { type Answered, sendOnce } from "./send-once.ts";

/**
 * Stands for every answer within ky, which asks no more of it: a `Response` with the answer's body would take half as
 * much CPU as the whole request.
 */
const anyResponse = new Response();

/** A request whose URL is built. */
interface BuiltRequest {
	url: string;
	method: string;
	/** The body, to be sent as JSON. */
	body: object | undefined;
}

export type Client = (request: BuiltRequest, signals: AbortSignal[]) => Promise<Answered>;

/**
 * Makes a client for an API, which sends each request once with the API's headers. It follows no redirect. Rejects if
 * no answer begins before a signal is aborted.
 */
export function createClient(headers: Record<string, string>): Client {
	const common = { retry: 0, timeout: false, redirect: "manual" } as const;
	const bodiless = ky.create({ ...common, headers: { Accept: "*/*", "User-Agent": "eventferry", ...headers } });
	const withJson = bodiless.extend({ headers: { "Content-Type": "application/json" } });
	return async ({ url, method, body }, signals) => {
		const received: { answer?: Answered } = {};
		await (body ? withJson : bodiless)(url, {
			method,
			// Body and signals go around ky, which would pipe the body through a stream, and join the signals.
			fetch: async (request) => {
				received.answer = await sendOnce(request as Request, body ? JSON.stringify(body) : null, signals);
				return anyResponse;
			},
		});
		if (!received.answer) throw new Error("unreachable: ky has called fetch");
		return received.answer;
	};
}
