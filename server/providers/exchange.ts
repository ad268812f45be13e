import ky from "ky";
import type { PlannedRequest } from "./provider.ts";

/** ms until a request, its answer included, is given up. */
const timeoutMs = 10_000;
/** Bytes of an answer that are read; what is longer is no answer of an API. */
const replyBytes = 65_536;

export type Answer =
	| {
			kind: "reply";
			status: number;
			/** The JSON object of the body; undefined where there is none or it is something else. */
			json: Record<string, unknown> | undefined;
			/** Whether there was no body at all, as with a 204. */
			empty: boolean;
			/** `Retry-After` in ms, at most a day. */
			retryAfterMs: number | undefined;
	  }
	/** No answer: network, timeout, or one cut short. */
	| { kind: "failure"; reason: string }
	/** The request cannot be built from this person or event. */
	| { kind: "unbuildable"; reason: string };

export type Exchange = (request: PlannedRequest, signal: AbortSignal) => Promise<Answer>;

/**
 * A request's URL: every segment percent-encoded, and the result checked to have just these segments.
 * `encodeURIComponent("..")` is `..`, which a URL climbs. Returns undefined when it cannot be.
 */
export function buildUrl(
	baseUrl: string,
	path: readonly string[],
	query: Record<string, string> = {},
): string | undefined {
	try {
		const encoded = path.map(encodeURIComponent).join("/");
		const url = new URL(`${baseUrl}/${encoded}`);
		const base = new URL(baseUrl).pathname.replace(/\/$/, "");
		if (path.some((segment) => segment === "") || url.pathname !== `${base}/${encoded}`) return undefined;
		for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
		return url.href;
	} catch {
		return undefined;
	}
}

const dayMs = 86_400_000;

/**
 * `Retry-After` (RFC 9110 10.2.3), seconds or an HTTP date, as ms from now, at most a day. What is neither,
 * or over already, says nothing: it must not end a wait at once.
 */
export function retryAfterMs(header: string | null, now = Date.now()): number | undefined {
	const text = header?.trim() ?? "";
	const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) - now : 0;
	return ms > 0 ? Math.min(ms, dayMs) : undefined;
}

/** Takes our credentials out of an answer that says them back: what it complains of is kept and shown to operators. */
function withoutCredentials({ Authorization = "" }: Record<string, string>): (text: string) => string {
	const [, scheme = "", key = ""] = /^(?:(Basic|Bearer) )?(.*)$/.exec(Authorization) ?? [];
	const basic = scheme === "Basic" ? Buffer.from(key, "base64").toString().split(":") : [];
	const secrets = [key, ...basic.slice(1)].filter((secret) => secret.length > 3);
	return (text) => secrets.reduce((safe, secret) => safe.replaceAll(secret, "***"), text);
}

/** Aborts with `signal`, or after so many ms; to be ended. What `AbortSignal.any` does for this costs a tenth of a request. */
function within(ms: number, signal: AbortSignal): { signal: AbortSignal; end(): void } {
	const limit = new AbortController();
	const abort = () => limit.abort();
	const signals = [signal, AbortSignal.timeout(ms)];
	for (const each of signals) each.addEventListener("abort", abort, { once: true });
	if (signal.aborted) abort();
	return {
		signal: limit.signal,
		end() {
			for (const each of signals) each.removeEventListener("abort", abort);
		},
	};
}

/** The body as text, or undefined when it is longer than is read. */
async function readLimited(response: Response): Promise<string | undefined> {
	if (!response.body) return "";
	const decoder = new TextDecoder();
	let text = "";
	let bytes = 0;
	for await (const chunk of response.body) {
		bytes += chunk.byteLength;
		if (bytes > replyBytes) return undefined;
		text += decoder.decode(chunk, { stream: true });
	}
	return text + decoder.decode();
}

function parseObject(text: string | undefined): Record<string, unknown> | undefined {
	try {
		const value: unknown = JSON.parse(text ?? "");
		return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
	} catch {
		return undefined;
	}
}

/**
 * HTTP to a provider, through ky: one try (the outbox retries), redirects not followed, an answer read up
 * to 64 KB, all within 10 s. Never rejects, and no reason it gives holds a URL, a header or a body.
 */
export function createExchange(baseUrl: string, headers: Record<string, string>): Exchange {
	const safely = withoutCredentials(headers);
	const bodiless = ky.create({ headers, retry: 0, timeout: false, redirect: "manual", throwHttpErrors: false });
	const withJson = bodiless.extend({ headers: { "Content-Type": "application/json" } });
	return async ({ method, path, query, body }, signal) => {
		const url = buildUrl(baseUrl, path, query);
		if (url === undefined) return { kind: "unbuildable", reason: "the person's address cannot be a part of a URL" };
		const limit = within(timeoutMs, signal);
		try {
			// Given to ky as options, the body would be piped through a stream and the signal joined with one of its own.
			const init = { body: body && JSON.stringify(body), signal: limit.signal };
			const client = body ? withJson : bodiless;
			const response = await client(url, { method, fetch: (request) => fetch(request, init) });
			// An answer that breaks off, or is not in the encoding it names, is one that cannot be read.
			const text = await readLimited(response).catch(() => undefined);
			if (text === undefined && signal.aborted) return { kind: "failure", reason: "stopped" };
			return {
				kind: "reply",
				status: response.status,
				json: parseObject(text === undefined ? undefined : safely(text)),
				empty: text?.trim() === "",
				retryAfterMs: retryAfterMs(response.headers.get("retry-after")),
			};
		} catch {
			if (signal.aborted) return { kind: "failure", reason: "stopped" };
			return { kind: "failure", reason: limit.signal.aborted ? "timeout" : "network" };
		} finally {
			limit.end();
		}
	};
}
