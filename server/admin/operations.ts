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
import { bodyProblems, json, named, type Operation, ok, operatorProblems } from "../http/route.ts";

const selection = json(named("DeadLetterSelection", deadLetterSelectionSchema));
/** A line of a replay or discard that is told as it goes. */
const step = named(
	"Step",
	z.object({
		replayed: z.number().optional(),
		discarded: z.number().optional(),
		done: z.boolean().optional(),
	}),
);

export const getStats: Operation = {
	summary: "What waits, was delivered and is dead, and what the budgets have left",
	security: "adminToken",
	answer: ok("Numbers by destination", json(named("Stats", statsSchema))),
	problems: operatorProblems,
};

export const getLive: Operation = {
	summary: "Requests to the providers, as they go",
	security: "adminToken",
	answer: ok("A line of JSON for each, until either side ends it", {
		"application/x-ndjson": named("LiveLine", liveLineSchema),
	}),
	problems: operatorProblems,
};

export const getBudget: Operation = {
	summary: "What was taken of each budget, by time",
	security: "adminToken",
	answer: ok("The last 24 hours", json(named("BudgetHistory", budgetHistorySchema))),
	problems: operatorProblems,
};

export const postSearch: Operation = {
	summary: "Where an event, or a person's events, are and have been",
	security: "adminToken",
	body: json(named("Search", searchSchema)),
	answer: ok("The latest first", json(named("SearchReply", searchReplySchema))),
	problems: [...bodyProblems, ...operatorProblems],
};

export const getDeadLetters: Operation = {
	summary: "What could not be delivered, the oldest first",
	security: "adminToken",
	query: deadLetterQuerySchema,
	answer: ok("A page; `cursor` is the next one's", json(named("DeadLetterPage", deadLetterPageSchema))),
	problems: ["malformed_body", ...operatorProblems],
};

export const deleteDeadLetters: Operation = {
	summary: "Discards dead letters; {} is all",
	security: "adminToken",
	body: selection,
	answer: ok("How many, at the end or in steps", {
		...json(named("Discarded", z.object({ discarded: z.number() }))),
		"application/x-ndjson": step,
	}),
	problems: [...bodyProblems, ...operatorProblems],
};

export const postReplay: Operation = {
	summary: "Delivers dead letters again; {} is all",
	security: "adminToken",
	body: selection,
	answer: ok("How many, at the end or in steps", {
		...json(named("Replayed", z.object({ replayed: z.number() }))),
		"application/x-ndjson": step,
	}),
	problems: [...bodyProblems, ...operatorProblems],
};
