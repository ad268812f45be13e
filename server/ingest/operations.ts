import * as z from "zod";
import { eventSchema, limits } from "../../shared/event.ts";
import { batchReplySchema, batchSchema, eventsSchema } from "../../shared/wire.ts";
import { backendProblems, bodyProblems, json, named, type Operation, writeProblems } from "../http/route.ts";

const events = z.array(named("Event", eventSchema)).max(limits.batchEvents);
const batch = named("Batch", batchSchema.extend({ events }));
const backendBatch = named("BackendBatch", eventsSchema.extend({ events }));
const accepted = {
	status: 202,
	description:
		"Accepted events are on disk, the others are in `rejected`. Duplicates are accepted and discarded later.",
	content: json(named("BatchReply", batchReplySchema)),
};

export const postBatch: Operation = {
	summary: "Events of a page, from the browser",
	body: { "application/json": batch, "text/plain": batch },
	answer: accepted,
	problems: [...bodyProblems, ...writeProblems, "invalid_write_key", "origin_not_allowed"],
};

export const postEvents: Operation = {
	summary: "Events of the backend",
	security: "serverKey",
	body: { "application/json": backendBatch, "text/plain": backendBatch },
	answer: accepted,
	problems: [...bodyProblems, ...backendProblems],
};
