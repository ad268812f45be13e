import * as z from "zod";
import {
	budgetHistorySchema,
	deadLetterPageSchema,
	deadLetterQuerySchema,
	deadLetterSelectionSchema,
	liveLineSchema,
	searchReplySchema,
	searchSchema,
	statsSchema,
} from "../../shared/admin.ts";
import { eventSchema, limits } from "../../shared/event.ts";
import { batchReplySchema, batchSchema, eventsSchema, type ProblemCode, problemSchema } from "../../shared/wire.ts";
import { forgottenSchema, personSchema } from "../delivery/forget.ts";
import { definitions, reporterNames } from "../providers/registry.ts";

/** One method of one route. */
export interface Operation {
	method: "get" | "post" | "delete";
	path: string;
	summary: string;
	/** Whose key it asks for. */
	security?: "serverKey" | "adminToken";
	query?: z.ZodObject;
	/** By media type. */
	body?: Record<string, z.ZodType>;
	/** What it answers when all is well, by media type; null where that is not JSON. */
	answer: { status: number; description: string; content: Record<string, z.ZodType | null> };
	/** The same, where it says so with another status. */
	unwell?: Operation["answer"];
	problems: readonly ProblemCode[];
}

const events = z.array(eventSchema).max(limits.batchEvents);
const batch = batchSchema.extend({ events });
const backendBatch = eventsSchema.extend({ events });
const health = z.object({ status: z.literal("ok") });
const readiness = z.object({
	store: z.enum(["ok", "unavailable"]),
	destinations: z.record(z.string(), z.enum(["running", "waiting", "paused"])),
});
const hook = z.record(z.string(), z.unknown());
const hookReply = z.object({ repeated: z.boolean() });
const replayed = z.object({ replayed: z.number() });
const discarded = z.object({ discarded: z.number() });
/** A line of a replay or discard that is told as it goes. */
const step = z.object({
	replayed: z.number().optional(),
	discarded: z.number().optional(),
	done: z.boolean().optional(),
});

/** What has a name in the document. */
export const named: Record<string, z.ZodType> = {
	Event: eventSchema,
	Batch: batch,
	BackendBatch: backendBatch,
	BatchReply: batchReplySchema,
	Problem: problemSchema,
	Person: personSchema,
	Forgotten: forgottenSchema,
	Health: health,
	Readiness: readiness,
	Hook: hook,
	HookReply: hookReply,
	Stats: statsSchema,
	DeadLetterPage: deadLetterPageSchema,
	DeadLetterSelection: deadLetterSelectionSchema,
	Replayed: replayed,
	Discarded: discarded,
	Step: step,
	LiveLine: liveLineSchema,
	BudgetHistory: budgetHistorySchema,
	Search: searchSchema,
	SearchReply: searchReplySchema,
};

const json = (schema: z.ZodType) => ({ "application/json": schema });
const ok = (description: string, content: Record<string, z.ZodType | null>) => ({ status: 200, description, content });
const body: ProblemCode[] = ["malformed_body", "body_too_large", "unsupported_media_type"];
const stored: ProblemCode[] = ["store_unavailable", "rate_limited"];
const backend: ProblemCode[] = ["invalid_server_key", ...stored];
const operator: ProblemCode[] = ["invalid_admin_token", ...stored];
const accepted = {
	status: 202,
	description:
		"Accepted events are on disk; each that was not is in `rejected`. Repeats are accepted and discarded later.",
	content: json(batchReplySchema),
};

/** Every method of every route, as /openapi.json tells them. */
export const operations: readonly Operation[] = [
	{
		method: "post",
		path: "/v1/batch",
		summary: "Events of a page, from the browser",
		body: { "application/json": batch, "text/plain": batch },
		answer: accepted,
		problems: [...body, ...stored, "invalid_write_key", "origin_not_allowed"],
	},
	{
		method: "post",
		path: "/v1/events",
		summary: "Events of the backend",
		security: "serverKey",
		body: { "application/json": backendBatch, "text/plain": backendBatch },
		answer: accepted,
		problems: [...body, ...backend],
	},
	{
		method: "delete",
		path: "/v1/people",
		summary: "Forgets a person, here and at the destinations that can",
		security: "serverKey",
		body: json(personSchema),
		answer: ok("What became of them, by destination", json(forgottenSchema)),
		problems: [...body, ...backend],
	},
	{
		method: "get",
		path: "/v1/open.gif",
		summary: "An image that records an opened e-mail, where its `t` is signed; always the image",
		query: z.object({ t: z.string().optional() }),
		answer: ok("One transparent pixel", { "image/gif": null }),
		problems: [],
	},
	...reporterNames.map((name): Operation => {
		const { title, hooks } = definitions[name];
		return {
			method: "post",
			path: `/v1/hooks/${name}`,
			summary: `Web hooks of ${title}, verified by a secret shared with it`,
			...(hooks?.query && { query: hooks.query }),
			body: json(hook),
			answer: ok("On disk; whether it is a repeat", json(hookReply)),
			problems: ["malformed_body", "body_too_large", "invalid_signature", ...stored],
		};
	}),
	{
		method: "get",
		path: "/client.js",
		summary: "The script for pages",
		answer: ok("The script", { "text/javascript": null }),
		problems: [],
	},
	{
		method: "get",
		path: "/healthz",
		summary: "Whether the proxy is alive",
		answer: ok("It is", json(health)),
		problems: [],
	},
	{
		method: "get",
		path: "/readyz",
		summary: "Whether the store can be written, and how the destinations are",
		answer: ok("It can; a destination that is paused is named, not failed", json(readiness)),
		unwell: { status: 503, description: "It cannot, or the proxy is stopping", content: json(readiness) },
		problems: [],
	},
	{
		method: "get",
		path: "/metrics",
		summary: "Numbers for Prometheus",
		answer: ok("Prometheus' text format", { "text/plain": null }),
		problems: ["rate_limited"],
	},
	{
		method: "get",
		path: "/openapi.json",
		summary: "This document",
		answer: ok("OpenAPI 3.1", json(z.record(z.string(), z.unknown()))),
		problems: [],
	},
	{
		method: "get",
		path: "/console",
		summary: "A page for operators",
		answer: ok("The page, without data", { "text/html": null }),
		problems: [],
	},
	{
		method: "get",
		path: "/admin/stats",
		summary: "What waits, was delivered and is dead, and what the budgets have left",
		security: "adminToken",
		answer: ok("Numbers by destination", json(statsSchema)),
		problems: operator,
	},
	{
		method: "get",
		path: "/admin/live",
		summary: "Requests to the providers, as they go",
		security: "adminToken",
		answer: ok("A line of JSON for each, until either side ends it", { "application/x-ndjson": liveLineSchema }),
		problems: operator,
	},
	{
		method: "get",
		path: "/admin/budget",
		summary: "What was taken of each budget, by time",
		security: "adminToken",
		answer: ok("The last 24 hours", json(budgetHistorySchema)),
		problems: operator,
	},
	{
		method: "post",
		path: "/admin/search",
		summary: "Where an event, or a person's events, are and have been",
		security: "adminToken",
		body: json(searchSchema),
		answer: ok("The latest first", json(searchReplySchema)),
		problems: [...body, ...operator],
	},
	{
		method: "get",
		path: "/admin/deadletters",
		summary: "What could not be delivered, the oldest first",
		security: "adminToken",
		query: deadLetterQuerySchema,
		answer: ok("A page; `cursor` is the next one's", json(deadLetterPageSchema)),
		problems: ["malformed_body", ...operator],
	},
	{
		method: "delete",
		path: "/admin/deadletters",
		summary: "Discards dead letters; {} is all",
		security: "adminToken",
		body: json(deadLetterSelectionSchema),
		answer: ok("How many, at the end or in steps", { ...json(discarded), "application/x-ndjson": step }),
		problems: [...body, ...operator],
	},
	{
		method: "post",
		path: "/admin/deadletters/replay",
		summary: "Delivers dead letters again; {} is all",
		security: "adminToken",
		body: json(deadLetterSelectionSchema),
		answer: ok("How many, at the end or in steps", { ...json(replayed), "application/x-ndjson": step }),
		problems: [...body, ...operator],
	},
];
