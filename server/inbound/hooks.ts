import type { Request, RequestHandler, Response } from "express";
import * as z from "zod";
import { rawBody } from "../http/body-room.ts";
import { parseJson } from "../http/exact-json.ts";
import { RequestError } from "../http/problem.ts";
import type { Guess } from "../http/rate-limit.ts";
import { json, named, type Operation, ok, type Route, storeProblems } from "../http/route.ts";
import type { HookRequest } from "../providers/hook.ts";
import { definitions, type ReporterName, reporterNames } from "../providers/registry.ts";
import { createReporting, type ReportedSite, type ReportingOptions, rulesFor } from "./reporting.ts";

export interface HooksOptions extends ReportingOptions {
	sites: readonly ReportedSite[];
	/** Lets a request begin, or refuses it while the proxy is stopping. */
	admit: RequestHandler;
	/** Limits the number of wrong signatures and keys per address. */
	guess: Guess;
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
		problems: ["malformed_body", "body_too_large", "invalid_signature", ...storeProblems],
	};
}

function parseBody(text: Buffer): unknown {
	try {
		return parseJson(text.toString());
	} catch {
		return undefined;
	}
}

/** Reads a request, even if the app around the router has parsed its body already. */
function readRequest(request: Request, now: number): HookRequest {
	const { body } = request;
	const isUnparsed = typeof body === "string" || Buffer.isBuffer(body);
	const raw = isUnparsed ? Buffer.from(body) : body === undefined ? Buffer.alloc(0) : undefined;
	// The app around the router decides how Express parses `request.query`, so it is not used.
	const query = new URLSearchParams(request.url.split("?")[1]);
	return {
		header: (name) => request.get(name),
		query: (name) => query.get(name) ?? undefined,
		raw,
		json: raw ? parseBody(raw) : body,
		now,
	};
}

/** Makes the routes `POST /v1/hooks/{provider}`. A verified web hook is answered 200 once it is stored. */
export function createHooks(options: HooksOptions): Route[] {
	const { sites, admit, guess, now, report, tell } = options;
	const store = createReporting(options);

	async function take(from: ReporterName, request: Request): Promise<boolean> {
		const hookRequest = readRequest(request, now());
		const verifying = guess(request, () => {
			const found = sites.filter((site) => site.hooks.get(from)?.verifies(hookRequest));
			return found.length > 0 ? found : undefined;
		});
		if (!verifying) throw new RequestError("invalid_signature", "no configured secret fits the signature or the key");
		const reports = verifying.flatMap((site) => {
			const hook = site.hooks.get(from)?.read(hookRequest);
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

	const body = rawBody(() => true);
	return reporterNames.map((from) => {
		const answer = async (request: Request, response: Response): Promise<void> => {
			response.json({ repeated: !(await take(from, request)) });
		};
		return { path: `/v1/hooks/${from}`, post: [postHook(from), admit, ...body, answer] };
	});
}
