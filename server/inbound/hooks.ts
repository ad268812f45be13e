import type { Request, RequestHandler, Response } from "express";
import * as z from "zod";
import { rawBody } from "../http/body-room.ts";
import { parseJson } from "../http/exact-json.ts";
import { RequestError } from "../http/problem.ts";
import type { Guess } from "../http/rate-limit.ts";
import { json, named, type Operation, ok, type Route, storeProblems } from "../http/route.ts";
import type { Hook, HookRequest } from "../providers/hook.ts";
import { definitions, type ReporterName, reporterNames } from "../providers/registry.ts";
import type { ReportedSite } from "./reporting.ts";

export interface HooksOptions {
	sites: readonly ReportedSite[];
	/** Lets a request begin, or refuses it while the proxy is stopping. */
	admit: RequestHandler;
	/** Stores a report. Resolves, once it is durable, to whether it is new. */
	report(site: ReportedSite, from: ReporterName, hook: Hook, isOurs: boolean): Promise<boolean>;
	/** Limits the number of wrong signatures and keys per address. */
	guess: Guess;
	now(): number;
	/** Called with each verified web hook. */
	onHook(from: ReporterName, hook: Hook, outcome: HookOutcome): void;
}

/**
 * Result of a verified web hook: `unknown_event` if neither the documentation nor a rule names its event,
 * `other_account` if no site has the account it is about.
 */
export type HookOutcome = "taken" | "repeated" | "unknown_event" | "other_account";

const hookBody = json(named("Hook", z.record(z.string(), z.unknown())));
const hookAnswer = json(named("HookReply", z.object({ repeated: z.boolean() })));

function postHook(from: ReporterName): Operation {
	const { title, hooks } = definitions[from];
	return {
		summary: `Web hooks of ${title}, verified by a secret shared with it`,
		...(hooks?.query && { query: hooks.query }),
		body: hookBody,
		answer: ok("On disk; whether it is a repeat", hookAnswer),
		problems: ["malformed_body", "body_too_large", "invalid_signature", ...storeProblems],
	};
}

function parsed(text: Buffer): unknown {
	try {
		return parseJson(text.toString());
	} catch {
		return undefined;
	}
}

/** Reads a request, also if the app around the router has parsed its body already. */
function read(request: Request, now: number): HookRequest {
	const { body } = request;
	const isUnparsed = typeof body === "string" || Buffer.isBuffer(body);
	const raw = isUnparsed ? Buffer.from(body) : body === undefined ? Buffer.alloc(0) : undefined;
	// The app around the router decides how Express parses `request.query`, so it is not used.
	const query = new URLSearchParams(request.url.split("?")[1]);
	return {
		header: (name) => request.get(name),
		query: (name) => query.get(name) ?? undefined,
		raw,
		json: raw ? parsed(raw) : body,
		now,
	};
}

/** Makes the routes `POST /v1/hooks/{provider}`. A verified web hook is answered 200 once it is on disk. */
export function createHooks({ sites, admit, report, guess, now, onHook }: HooksOptions): Route[] {
	function answer(from: ReporterName) {
		return async (request: Request, response: Response): Promise<void> => {
			const given = read(request, now());
			const verified = guess(request, () => {
				const found = sites.flatMap((site) => {
					const hooks = site.hooks.get(from);
					return hooks?.verifies(given) ? [{ site, hooks }] : [];
				});
				return found[0] && { first: found[0], all: found };
			});
			if (!verified)
				throw new RequestError("invalid_signature", "no secret shared with the provider verifies this web hook");
			const { first, all } = verified;
			const hook = first.hooks.read(given);
			if (!hook) throw new RequestError("malformed_body", "the body is not a web hook of this provider");

			const ours = all.filter(({ hooks }) => hooks.concerns(hook));
			const isOurs = ours.length > 0;
			const isRuled = ours.some(({ site }) =>
				site.inbound.some((rule) => rule.from === from && rule.event === hook.event),
			);
			let isNew = false;
			for (const { site } of isOurs ? ours : [first]) isNew = (await report(site, from, hook, isOurs)) || isNew;
			const outcome = !isOurs ? "other_account" : hook.isKnown || isRuled ? "taken" : "unknown_event";
			onHook(from, hook, isNew ? outcome : "repeated");
			response.json({ repeated: !isNew });
		};
	}

	const body = rawBody(() => true);
	return reporterNames.map((from) => ({
		path: `/v1/hooks/${from}`,
		post: [postHook(from), admit, ...body, answer(from)],
	}));
}
