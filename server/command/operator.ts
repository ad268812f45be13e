import * as z from "zod";
import { ConfigError, readOwn } from "../config/config.ts";
import { parseJson } from "../http/exact-json.ts";
import { CommandError, UsageError } from "./command.ts";
import { visible } from "./print.ts";

/** Time limit for the proxy's answer, ms. */
const timeoutMs = 30_000;

const problemSchema = z.object({ code: z.string(), detail: z.string() });

/** Variable that holds the key for a route. */
type Key = "EVENTFERRY_SERVER_KEY" | "EVENTFERRY_ADMIN_TOKEN";

/** Help text of the variables with which an operator's command reaches the proxy. */
export const adminVariables = `Variables, each also as NAME_FILE:
  EVENTFERRY_ADMIN_TOKEN  the proxy's admin token
  EVENTFERRY_URL
`;

export interface ProxyRequest<Answer> {
	key: Key;
	/** The key's value, if the caller knows it; default that of the variable. */
	secret?: string | undefined;
	/** Ends an answer that is streamed. */
	signal?: AbortSignal;
	/** Schema of the answer, or of each of its lines. */
	answer: z.ZodType<Answer>;
	path: string;
	method?: "GET" | "POST" | "DELETE";
	query?: Record<string, string | undefined>;
	body?: unknown;
	/** Called with each line of an answer that is streamed; absent if the answer is one JSON value. */
	onLine?(line: Answer): void;
}

/** URL of the running proxy, without a final slash: `--url`, else `EVENTFERRY_URL`. */
export function proxyUrl(given: string | undefined): string {
	const fromEnvironment = readOwn("EVENTFERRY_URL");
	const url = given ?? fromEnvironment ?? "http://127.0.0.1:8788";
	const { protocol, username, password, search, hash } = URL.canParse(url) ? new URL(url) : ({} as Partial<URL>);
	if (!/^https?:$/.test(protocol ?? "") || username || password || search || hash) {
		const message = "must be the URL of the proxy, for example https://shop.example/ferry";
		if (given === undefined) throw new ConfigError([{ name: "EVENTFERRY_URL", message }]);
		throw new UsageError(`--url ${message}`);
	}
	return new URL(url).href.replace(/\/+$/, "");
}

/** Reason for which a request got no answer: `ECONNREFUSED`, …. */
function reasonOf(error: unknown): string {
	if (!(error instanceof Error)) return "unknown reason";
	if (error.name === "TimeoutError") return `no answer in ${timeoutMs / 1_000} s`;
	const { cause } = error;
	if (!(cause instanceof Error)) return error.message;
	return "code" in cause ? String(cause.code) : cause.message;
}

/** Sends a request; rejects with {@link CommandError} if nobody answers. Follows no redirect, which could leak a key. */
export async function reach(url: string, init: RequestInit = {}): Promise<Response> {
	const giveUp = new AbortController();
	const timer = setTimeout(() => giveUp.abort(new DOMException("", "TimeoutError")), timeoutMs);
	try {
		return await fetch(url, { redirect: "manual", signal: giveUp.signal, ...init });
	} catch (cause) {
		const { origin } = new URL(url);
		throw new CommandError(`no proxy answers at ${origin}: is it running? (${reasonOf(cause)})`, { cause });
	} finally {
		clearTimeout(timer);
	}
}

/** Makes the error for an answer other than a success, from a proxy or from another server. */
async function refusal(response: Response, base: string, key: Key, hasKey: boolean): Promise<Error> {
	const problem = problemSchema.safeParse(await response.json().catch(() => undefined));
	if (!problem.success) {
		return new CommandError(
			`${base} answers ${response.status}, but is no eventferry proxy: is the path missing, as in https://shop.example/ferry?`,
		);
	}
	const code = visible(problem.data.code);
	const detail = visible(problem.data.detail);
	if (response.status !== 401) return new CommandError(`the proxy refuses: ${detail} (${code})`);
	const keyName = key === "EVENTFERRY_ADMIN_TOKEN" ? "the proxy's admin token" : "the site's server key";
	if (!hasKey) return new ConfigError([{ name: key, message: `is missing: set it to ${keyName}` }]);
	return new CommandError(
		`the proxy at ${base} does not take this ${key}: is it the one that the proxy was started with? (${detail})`,
	);
}

/** Yields the lines of an answer as they arrive. */
async function* linesOf({ body }: Response): AsyncGenerator<string> {
	const decoder = new TextDecoder();
	let rest = "";
	for await (const chunk of body ?? []) {
		const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
		rest = lines.pop() ?? "";
		yield* lines;
	}
	if (rest !== "") yield rest;
}

/** Sends a request to the running proxy; resolves to its answer, or to the last line if `onLine` is given. */
export async function ask<Answer>(
	url: string | undefined,
	{ key, secret = readOwn(key), signal, answer, path, method = "GET", query = {}, body, onLine }: ProxyRequest<Answer>,
): Promise<Answer> {
	const base = proxyUrl(url);
	const search = new URLSearchParams();
	for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, value);
	const response = await reach(`${base}${path}${search.size > 0 ? `?${search}` : ""}`, {
		method,
		headers: {
			Accept: onLine ? "application/x-ndjson" : "application/json",
			...(body !== undefined && { "Content-Type": "application/json" }),
			...(secret !== undefined && { Authorization: `Bearer ${secret}` }),
		},
		body: JSON.stringify(body),
		...(signal && { signal }),
	});
	if (!response.ok) throw await refusal(response, base, key, secret !== undefined);
	try {
		if (!onLine) return answer.parse(parseJson(await response.text()));
		let last: Answer | undefined;
		for await (const text of linesOf(response)) {
			last = answer.parse(JSON.parse(text));
			onLine(last);
		}
		if (last === undefined) throw new TypeError("the answer is empty");
		return last;
	} catch (cause) {
		throw new CommandError(`${base} broke off its answer, or is no eventferry proxy of this version`, { cause });
	}
}
