import type { Request, RequestHandler, Response } from "express";
import * as z from "zod";
import type { ReadBodies } from "../http/body-room.ts";
import { parseJson } from "../http/exact-json.ts";
import { RequestError } from "../http/problem.ts";
import type { Guess, IsCompared } from "../http/rate-limit.ts";
import { json, named, type Operation, ok, type Route, writeProblems } from "../http/route.ts";
import type { BodyCheck, HookBody, HookHead } from "../providers/hook.ts";
import { definitions, type ReporterName, reporterNames } from "../providers/registry.ts";
import { createReporting, type ReportedSite, type ReportingOptions, rulesFor } from "./reporting.ts";

export interface HooksOptions extends ReportingOptions {
	sites: readonly ReportedSite[];
	/** Lets a request begin, or refuses it while the proxy is stopping. */
	admit: RequestHandler;
	/** Reads bodies of requests, within the proxy's room for them. */
	readBodies: ReadBodies;
	/** Makes a limit of wrong signatures and keys per address. */
	limitGuesses(): Guess;
	/** Called with each web hook that is not a repeat, once it is stored. */
	tell(hook: ReceivedHook): void;
}

/** A verified web hook of a provider. Repeats of it are not passed on. */
export interface ReceivedHook {
	/** Provider that sent it. */
	from: ReporterName;
	/** The provider's name of the reported event: `message:send`. */
	event: string;
	/** The provider's data, unchanged. */
	data: Record<string, unknown>;
	/** Time of the reported event, ms since the epoch. */
	at: number;
}

const hookBody = json(named("Hook", z.record(z.string(), z.unknown())));
const hookAnswer = json(named("HookReply", z.object({ repeated: z.boolean() })));

function postHook(from: ReporterName): Operation {
	const { title, hooks } = definitions[from];
	return {
		summary: `Web hooks of ${title}, verified by a secret shared with it`,
		...(hooks?.query && { query: hooks.query }),
		body: hookBody,
		answer: ok("The web hook is stored; `repeated` is true if it was stored before", hookAnswer),
		problems: ["malformed_body", "body_too_large", "invalid_signature", ...writeProblems],
	};
}

/** Maximum depth of a web hook's JSON. Recursive functions would overflow the stack on deeper JSON. */
const levelsMost = 64;
const isNested = (value: unknown, levels: number): boolean =>
	typeof value === "object" &&
	value !== null &&
	(levels === 0 || Object.values(value).some((inner) => isNested(inner, levels - 1)));

/** Parses a body; returns undefined if it is not JSON, or nested too deep. */
function parseBody(raw: Buffer | undefined, body: unknown, parse: (text: string) => unknown): unknown {
	try {
		const json = raw ? parse(raw.toString()) : body;
		// Guard (SECURITY.md): hook-depth
		const isDeep = isNested(json, levelsMost);
		return isDeep ? undefined : json;
	} catch {
		return undefined;
	}
}

/**
 * Reads a request's body, even if the app around the router has parsed it. Nothing is parsed before it is needed, and
 * keys with escapes are read correctly, which is slow, only in `json`, of a verified body.
 */
function bodyOf({ body }: Request, isRawOnly: boolean): HookBody {
	const isUnparsed = typeof body === "string" || Buffer.isBuffer(body);
	const raw = isUnparsed ? Buffer.from(body) : body === undefined ? Buffer.alloc(0) : undefined;
	let serialised: { text: string | undefined } | undefined;
	return {
		raw,
		get json() {
			return parseBody(raw, body, parseJson);
		},
		reserialised() {
			// Guard (SECURITY.md): hook-raw
			const isSkipped = isRawOnly && raw !== undefined;
			if (isSkipped) return undefined;
			// Each site that shares a secret with the provider asks.
			serialised ??= { text: JSON.stringify(parseBody(raw, body, JSON.parse)) };
			return serialised.text;
		},
	};
}

function headOf(request: Request, now: number, isCompared: IsCompared): HookHead {
	// The app around the router decides how Express parses `request.query`, so it is not used.
	const query = new URLSearchParams(request.url.split("?")[1]);
	return { header: (name) => request.get(name), query: (name) => query.get(name) ?? undefined, now, isCompared };
}

/** A web hook whose head can be verified by some sites. */
interface Expected {
	head: HookHead;
	checks: { site: ReportedSite; check: BodyCheck }[];
}

const invalidSignature = () =>
	new RequestError("invalid_signature", "no configured secret fits the signature or the key");

/**
 * Makes the routes `POST /v1/hooks/{provider}` of the providers that a site shares a secret with. A web hook whose head
 * cannot be right is refused before its body is read. A verified one is answered 200 once it is stored.
 */
export function createHooks(options: HooksOptions): Route[] {
	const { sites, admit, readBodies, limitGuesses, now, report, tell } = options;
	const store = createReporting(options);

	async function keep(from: ReporterName, request: HookHead & HookBody, verifying: ReportedSite[]): Promise<boolean> {
		const reports = verifying.flatMap((site) => {
			const hook = site.hooks.get(from)?.read(request);
			return hook ? [{ site, hook }] : [];
		});
		const [first] = reports;
		if (!first) throw new RequestError("malformed_body", "the body is not a web hook of this provider");

		const ours = reports.filter(({ hook }) => hook.isOurs);
		const hasRule = ours.some(({ site, hook }) => rulesFor(site, from, hook).length > 0);
		let isNew = false;
		for (const { site, hook } of ours.length > 0 ? ours : [first]) isNew = (await store(site, from, hook)) || isNew;
		const { event, data, at, isKnown } = first.hook;
		const outcome = ours.length === 0 ? "other_account" : isKnown || hasRule ? "taken" : "unknown_event";
		report({ from, outcome: isNew ? outcome : "repeated" });
		if (isNew) tell({ from, event, data, at });
		return isNew;
	}

	function routeOf(from: ReporterName): Route {
		const guess = limitGuesses();
		const expect: RequestHandler = (request, response, next) => {
			response.locals.hook = guess(request, (isCompared): Expected | undefined => {
				const head = headOf(request, now(), isCompared);
				const checks = sites.flatMap((site) => {
					const check = site.hooks.get(from)?.check(head);
					return check ? [{ site, check }] : [];
				});
				return checks.length > 0 ? { head, checks } : undefined;
			});
			// Guard (SECURITY.md): hook-head
			if (!response.locals.hook) throw invalidSignature();
			next();
		};
		const answer = async (request: Request, response: Response): Promise<void> => {
			const { head, checks }: Expected = response.locals.hook;
			const verifying = guess(request, (_isCompared, isOver) => {
				const body = bodyOf(request, isOver);
				const found = checks.flatMap(({ site, check }) => (check(body) ? [site] : []));
				return found.length > 0 ? found : undefined;
			});
			if (!verifying) throw invalidSignature();
			const { raw, json, reserialised } = bodyOf(request, false);
			response.json({ repeated: !(await keep(from, { ...head, raw, json, reserialised }, verifying)) });
		};
		// Providers compress no web hooks, so nobody makes the proxy decompress one.
		const body = readBodies(undefined, { isPlain: true });
		return { path: `/v1/hooks/${from}`, post: [postHook(from), admit, expect, body, answer] };
	}

	return reporterNames.filter((from) => sites.some(({ hooks }) => hooks.has(from))).map(routeOf);
}
