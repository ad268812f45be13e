import { noteAnswer } from "./answers.ts";
import type { Client } from "./client.ts";
import { parseObject } from "./json.ts";
// Remembers Node's `fetch`, which the app may replace before the first request.
import "./node-dispatch.ts";
import { isPathSegment, unbuildable } from "./path-segment.ts";
import type { PlannedRequest } from "./provider.ts";

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
 * Returns a function that sends a request to a provider once, without own retries. It waits up to 10 s, follows no
 * redirect and reads up to 64 KB of the answer. It never rejects, and its reasons never contain a URL, header or body.
 */
export function createExchange(baseUrl: string, headers: Record<string, string>): Exchange {
	// Guard (SECURITY.md): masked-credentials
	const mask = credentialMask(headers);
	let loading: Promise<Client> | undefined;
	/** Loads the client with the first request: with Node's `fetch`, it is a fifth of what an idle proxy would occupy. */
	const load = async () => (await import("./client.ts")).createClient(headers);
	return async (planned, signal) => {
		const { method, path, query, body } = planned;
		const url = buildUrl(baseUrl, path, query);
		if (url === undefined) return { kind: "unbuildable", reason: unbuildable };
		const timeout = AbortSignal.timeout(timeoutMs);
		try {
			loading ??= load();
			const client = await loading;
			const { status, text, retryAfter } = await client({ url, method, body }, [signal, timeout]);
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
