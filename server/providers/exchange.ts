import ky from "ky";
import { noteAnswer } from "./answers.ts";
import { parseObject } from "./json.ts";
import { isPathSegment, unbuildable } from "./path-segment.ts";
import type { PlannedRequest } from "./provider.ts";
import { type Answered, sendOnce } from "./send-once.ts";

/** Time limit for a request and its answer, ms. */
// Guard (SECURITY.md): answer-timeout
const timeoutMs = 10_000;
export type HttpAnswer =
	| {
			kind: "reply";
			status: number;
			/** The body, if it is a JSON object. */
			json: Record<string, unknown> | undefined;
			/** True if there was no body, as with a 204. */
			empty: boolean;
			/** `Retry-After` in ms, at most a day. */
			retryAfterMs: number | undefined;
	  }
	/** No answer came: the network failed, the time limit was reached, or the proxy stopped. */
	| { kind: "failure"; reason: string }
	/** No URL can be built from this person or event. */
	| { kind: "unbuildable"; reason: string };

export type Exchange = (request: PlannedRequest, signal: AbortSignal) => Promise<HttpAnswer>;

/**
 * Builds a request's URL, with every path segment percent-encoded. Returns undefined for a text that is no segment, and
 * if the result does not have exactly these segments.
 */
export function buildUrl(
	baseUrl: string,
	path: readonly string[],
	query: Record<string, string> = {},
): string | undefined {
	try {
		// Guard (SECURITY.md): path-encoding
		const encoded = path.map(encodeURIComponent).join("/");
		const url = new URL(`${baseUrl}/${encoded}`);
		const base = new URL(baseUrl).pathname.replace(/\/$/, "");
		// Guard (SECURITY.md): path-segments
		if (!path.every(isPathSegment) || url.pathname !== `${base}/${encoded}`) return undefined;
		for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
		return url.href;
	} catch {
		return undefined;
	}
}

const dayMs = 86_400_000;

/**
 * Reads `Retry-After`, in seconds or as an HTTP date: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3. Returns ms
 * from now, at most a day. Returns undefined for any other text, and for a time in the past, which would end a wait at
 * once.
 */
export function retryAfterMs(header: string | undefined, now = Date.now()): number | undefined {
	const text = header?.trim() ?? "";
	const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) - now : 0;
	return ms > 0 ? Math.min(ms, dayMs) : undefined;
}

/** Returns a function that masks our credentials in a text. Some APIs repeat them in errors, which operators see. */
function credentialMask({ Authorization = "" }: Record<string, string>): (text: string) => string {
	const [, scheme = "", key = ""] = /^(?:(Basic|Bearer) )?(.*)$/.exec(Authorization) ?? [];
	const basic = scheme === "Basic" ? Buffer.from(key, "base64").toString().split(":") : [];
	const secrets = [key, ...basic.slice(1)]
		.filter((secret) => secret.length > 3)
		// Some languages escape slashes in JSON.
		.flatMap((secret) => [secret, secret.replaceAll("/", "\\/")]);
	return (text) => secrets.reduce((safe, secret) => safe.replaceAll(secret, "***"), text);
}

/**
 * Stands for every answer within ky, which asks no more of it: a `Response` with the answer's body would take half as
 * much CPU as the whole request.
 */
const anyResponse = new Response();

/**
 * Returns a function that sends a request to a provider once, without own retries. It waits up to 10 s, follows no
 * redirect and reads up to 64 KB of the answer. It never rejects, and its reasons never contain a URL, header or body.
 */
export function createExchange(baseUrl: string, headers: Record<string, string>): Exchange {
	// Guard (SECURITY.md): masked-credentials
	const mask = credentialMask(headers);
	const common = { retry: 0, timeout: false, redirect: "manual" } as const;
	const bodiless = ky.create({ ...common, headers: { Accept: "*/*", "User-Agent": "eventferry", ...headers } });
	const withJson = bodiless.extend({ headers: { "Content-Type": "application/json" } });
	return async (planned, signal) => {
		const { method, path, query, body } = planned;
		const url = buildUrl(baseUrl, path, query);
		if (url === undefined) return { kind: "unbuildable", reason: unbuildable };
		const timeout = AbortSignal.timeout(timeoutMs);
		try {
			const received: { answer?: Answered } = {};
			await (body ? withJson : bodiless)(url, {
				method,
				// Body and signal go around ky, which would pipe the body through a stream, and join the signals.
				fetch: async (request) => {
					received.answer = await sendOnce(request as Request, body ? JSON.stringify(body) : null, [signal, timeout]);
					return anyResponse;
				},
			});
			if (!received.answer) throw new Error("unreachable: ky has called fetch");
			const { status, text, retryAfter } = received.answer;
			if (text === undefined && signal.aborted) return { kind: "failure", reason: "stopped" };
			const safe = text === undefined ? undefined : mask(text);
			if (safe !== undefined) noteAnswer(planned, safe);
			return {
				kind: "reply",
				status,
				json: parseObject(safe),
				empty: text?.trim() === "",
				retryAfterMs: retryAfterMs(retryAfter),
			};
		} catch {
			if (signal.aborted) return { kind: "failure", reason: "stopped" };
			return { kind: "failure", reason: timeout.aborted ? "timeout" : "network" };
		}
	};
}
