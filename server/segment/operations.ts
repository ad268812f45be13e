import * as z from "zod";
import { bodyProblems, json, named, type Operation, ok, writeProblems } from "../http/route.ts";

const time = z.union([z.string(), z.number()]).optional();
const call = z.looseObject({
	/** Type of the call, in a batch: identify, track, page, screen, group or alias. */
	type: z.string().optional(),
	messageId: z.string().optional(),
	userId: z.union([z.string(), z.number()]).nullish(),
	anonymousId: z.string().nullish(),
	event: z.string().optional(),
	name: z.string().nullish(),
	properties: z.record(z.string(), z.unknown()).nullish(),
	traits: z.record(z.string(), z.unknown()).nullish(),
	context: z.record(z.string(), z.unknown()).nullish(),
	timestamp: time,
	originalTimestamp: time,
});
const envelope = { writeKey: z.string().optional(), sentAt: time };
const oneCall = json(named("SegmentCall", call.extend(envelope)));
const batch = json(named("SegmentBatch", z.object({ batch: z.array(call), ...envelope })));
const success = ok("Usable calls are on disk", json(z.object({ success: z.literal(true) })));
const problems = [...bodyProblems, ...writeProblems, "invalid_write_key", "origin_not_allowed"] as const;

export const postCall: Operation = {
	summary: "A call of Segment's HTTP API. Basic user: the server key, or the write key of a page",
	body: oneCall,
	answer: success,
	problems,
};

export const postCalls: Operation = { ...postCall, summary: "Calls of Segment's HTTP API", body: batch };

const settings = json(z.record(z.string(), z.unknown()));

export const getSettings: Operation = {
	summary: "Settings of a site, as Segment's browser library asks for them",
	answer: ok("The settings", settings),
	problems: ["not_found"],
};

export const getSourceConfig: Operation = {
	summary: "Settings of a site, as RudderStack's browser library asks for them. Basic user: the write key",
	query: z.object({ writeKey: z.string().optional() }),
	answer: ok("The settings", settings),
	problems: ["not_found"],
};
