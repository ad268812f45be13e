import * as z from "zod";
import { ConfigError, readVariable } from "../config/config.ts";
import { parseJson } from "../http/exact-json.ts";
import { CommandError, UsageError } from "./command.ts";

/** ms until a proxy that does not answer is given up. */
const timeoutMs = 30_000;

const problemSchema = z.object({ code: z.string(), detail: z.string() });

/** The key that lets one in, by the variable that holds it. */
type Key = "EVENTFERRY_SERVER_KEY" | "EVENTFERRY_ADMIN_TOKEN";

export interface ProxyRequest<Answer> {
	key: Key;
	/** What the proxy answers, or each line of it. */
	answer: z.ZodType<Answer>;
	path: string;
	method?: "GET" | "POST" | "DELETE";
	query?: Record<string, string | undefined>;
	body?: unknown;
	/** Told of the answer's lines as they come, where there is not one JSON at its end. */
	onLine?(line: Answer): void;
}

/** Where the running proxy is: `--url`, else `EVENTFERRY_URL`. Without a slash at its end. */
export function proxyUrl(given: string | undefined): string {
	const fromEnvironment = readVariable("EVENTFERRY_URL");
	const url = given ?? fromEnvironment ?? "http://127.0.0.1:8788";
	const { protocol, username, password, search, hash } = URL.canParse(url) ? new URL(url) : ({} as Partial<URL>);
	if (!/^https?:$/.test(protocol ?? "") || username || password || search || hash) {
		const message = "must be where the proxy is, for example https://shop.example/ferry";
		if (given === undefined) throw new ConfigError([{ name: "EVENTFERRY_URL", message }]);
		throw new UsageError(`--url ${message}`);
	}
	return new URL(url).href.replace(/\/+$/, "");
}

/** `ECONNREFUSED`, `timeout`, …: why there was no answer. */
function whyNot(error: unknown): string {
	if (!(error instanceof Error)) return "it does not say why";
	if (error.name === "TimeoutError") return `no answer in ${timeoutMs / 1_000} s`;
	const { cause } = error;
	if (!(cause instanceof Error)) return error.message;
	return "code" in cause ? String(cause.code) : cause.message;
}

/** GETs or sends something; rejects with {@link CommandError} where nobody answers. Redirects are not followed: they would carry a key elsewhere. */
export async function reach(url: string, init: RequestInit = {}): Promise<Response> {
	const giveUp = new AbortController();
	const timer = setTimeout(() => giveUp.abort(new DOMException("", "TimeoutError")), timeoutMs);
	try {
		return await fetch(url, { redirect: "manual", signal: giveUp.signal, ...init });
	} catch (cause) {
		const { origin } = new URL(url);
		throw new CommandError(`no proxy answers at ${origin}: is it running? (${whyNot(cause)})`, { cause });
	} finally {
		clearTimeout(timer);
	}
}

/** Why the proxy refused; an answer that is none of a proxy's is one of something else's. */
async function refusal(response: Response, base: string, key: Key, isGiven: boolean): Promise<Error> {
	const problem = problemSchema.safeParse(await response.json().catch(() => undefined));
	if (!problem.success) {
		return new CommandError(
			`what answers at ${base} is no eventferry proxy (${response.status}): is its path missing, as in https://shop.example/ferry?`,
		);
	}
	const { code, detail } = problem.data;
	if (response.status !== 401) return new CommandError(`the proxy refuses: ${detail} (${code})`);
	if (!isGiven)
		return new ConfigError([
			{
				name: key,
				message: `is missing: ${code === "invalid_admin_token" ? "the proxy's admin token" : "the site's server key"}, here as where the proxy runs`,
			},
		]);
	return new CommandError(`the proxy at ${base} does not take this ${key}: is it the proxy's own? (${detail})`);
}

/** The lines of an answer, as they come. */
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

/** Asks the running proxy; resolves to what it answers, with `onLine` to the last line. */
export async function ask<Answer>(
	url: string | undefined,
	{ key, answer, path, method, query = {}, body, onLine }: ProxyRequest<Answer>,
): Promise<Answer> {
	const base = proxyUrl(url);
	const secret = readVariable(key);
	const search = new URLSearchParams();
	for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, value);
	const response = await reach(`${base}${path}${search.size > 0 ? `?${search}` : ""}`, {
		method: method ?? "GET",
		headers: {
			Accept: onLine ? "application/x-ndjson" : "application/json",
			...(body !== undefined && { "Content-Type": "application/json" }),
			...(secret !== undefined && { Authorization: `Bearer ${secret}` }),
		},
		...(body !== undefined && { body: JSON.stringify(body) }),
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
		throw new CommandError(`${base} broke off its answer, or answers as no eventferry proxy of this version does`, {
			cause,
		});
	}
}
