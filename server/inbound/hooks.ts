import type { Request, RequestHandler, Response } from "express";
import * as z from "zod";
import { rawBody } from "../http/body-room.ts";
import { parseJson } from "../http/exact-json.ts";
import { RequestError } from "../http/problem.ts";
import type { Guess } from "../http/rate-limit.ts";
import { json, named, type Operation, ok, type Route, storeProblems } from "../http/route.ts";
import { crispHooks } from "../providers/crisp/hooks.ts";
import { helpcrunchHooks } from "../providers/helpcrunch/hooks.ts";
import type { Hook, HookRequest, HookSource } from "../providers/hook.ts";
import type { ReportedSite, Reporter } from "./reporting.ts";

export interface HooksOptions {
	sites: readonly ReportedSite[];
	/** Lets what is to be stored begin, until the stop. */
	admit: RequestHandler;
	/** Takes in what is reported; resolves, once durable, to whether it is new. */
	report(site: ReportedSite, from: Reporter, hook: Hook, isOurs: boolean): Promise<boolean>;
	/** Bounds how often signatures can be guessed. */
	guess: Guess;
	now(): number;
	/** Told of each web hook that was vouched for. */
	onHook(from: Reporter, hook: Hook, outcome: HookOutcome): void;
}

/** `unknown_event`: one that neither the documentation nor a rule names. `other_account`: of an account that no site has. */
export type HookOutcome = "taken" | "repeated" | "unknown_event" | "other_account";

const postHook: Operation = {
	summary: "What the provider reports, where a signature or key vouches for it",
	body: json(named("Hook", z.record(z.string(), z.unknown()))),
	answer: ok("On disk; whether it had been before", json(named("HookReply", z.object({ repeated: z.boolean() })))),
	problems: ["malformed_body", "body_too_large", "invalid_signature", ...storeProblems],
};

function parsed(text: Buffer): unknown {
	try {
		return parseJson(text.toString());
	} catch {
		return undefined;
	}
}

/** What of a request matters, also where the app around the router has read its body already. */
function read(request: Request, now: number): HookRequest {
	const { body } = request;
	const isRead = typeof body === "string" || Buffer.isBuffer(body);
	const raw = isRead ? Buffer.from(body) : body === undefined ? Buffer.alloc(0) : undefined;
	return {
		header: (name) => request.get(name),
		key: new URLSearchParams(request.url.split("?")[1]).get("key") ?? undefined,
		raw,
		json: raw ? parsed(raw) : body,
		now,
	};
}

/** `POST /v1/hooks/…`: what providers report, where the secret we share with them vouches for it. Answered 200 once it is on disk. */
export function createHooks({ sites, admit, report, guess, now, onHook }: HooksOptions): Route[] {
	function route<Account>(source: HookSource<Account>, accountOf: (site: ReportedSite) => Account | undefined) {
		return async (request: Request, response: Response): Promise<void> => {
			const given = read(request, now());
			const vouching = guess(request, () => {
				const found = sites.flatMap((site) => {
					const account = accountOf(site);
					return account && source.vouches(account, given) ? [{ site, account }] : [];
				});
				return found.length > 0 ? found : undefined;
			});
			if (!vouching)
				throw new RequestError("invalid_signature", "nothing that we share with the provider vouches for this");
			const hook = source.read(given);
			if (!hook) throw new RequestError("malformed_body", "the body is no web hook of this provider");

			const ours = vouching.filter(({ account }) => source.concerns(account, hook));
			const isOurs = ours.length > 0;
			const { name: from } = source;
			const isRuled = ours.some(({ site }) =>
				site.inbound.some((rule) => rule.from === from && rule.event === hook.event),
			);
			let isNew = false;
			for (const { site } of isOurs ? ours : vouching.slice(0, 1))
				isNew = (await report(site, from, hook, isOurs)) || isNew;
			const outcome = !isOurs ? "other_account" : hook.isKnown || isRuled ? "taken" : "unknown_event";
			onHook(from, hook, isNew ? outcome : "repeated");
			response.json({ repeated: !isNew });
		};
	}

	const body = rawBody(() => true);
	const crisp = route(crispHooks, (site) => site.crisp);
	const helpcrunch = route(helpcrunchHooks, (site) => site.helpcrunch);
	const query = z.object({ key: z.string().optional() });
	return [
		{ path: "/v1/hooks/crisp", post: [{ ...postHook, query }, admit, ...body, crisp] },
		{ path: "/v1/hooks/helpcrunch", post: [postHook, admit, ...body, helpcrunch] },
	];
}
