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
/** A line of the progress of a replay or discard. */
const step = named(
	"Step",
	z.object({
		replayed: z.number().optional(),
		discarded: z.number().optional(),
		done: z.boolean().optional(),
	}),
);

export const getStats: Operation = {
	summary: "Numbers of waiting, delivered and dead events, and the budgets",
	security: "adminToken",
	answer: ok("Numbers by destination", json(named("Stats", statsSchema))),
	problems: operatorProblems,
};

export const getLive: Operation = {
	summary: "Stream of the requests to providers",
	security: "adminToken",
	answer: ok("A line of JSON for each request, until either side ends the stream", {
		"application/x-ndjson": named("LiveLine", liveLineSchema),
	}),
	problems: operatorProblems,
};

export const getBudget: Operation = {
	summary: "Requests taken from each budget in the last 24 hours",
	security: "adminToken",
	answer: ok("Numbers of requests, by time", json(named("BudgetHistory", budgetHistorySchema))),
	problems: operatorProblems,
};

export const postSearch: Operation = {
	summary: "Journeys of an event, or of a person's events",
	security: "adminToken",
	body: json(named("Search", searchSchema)),
	answer: ok("Journeys, the latest first", json(named("SearchReply", searchReplySchema))),
	problems: [...bodyProblems, ...operatorProblems],
};

export const getDeadLetters: Operation = {
	summary: "Dead letters, the oldest first",
	security: "adminToken",
	query: deadLetterQuerySchema,
	answer: ok("A page; `cursor` leads to the next one", json(named("DeadLetterPage", deadLetterPageSchema))),
	problems: ["malformed_body", ...operatorProblems],
};

export const deleteDeadLetters: Operation = {
	summary: "Discards selected dead letters; {} selects all",
	security: "adminToken",
	body: selection,
	answer: ok("The number of dead letters, at the end or in steps", {
		...json(named("Discarded", z.object({ discarded: z.number() }))),
		"application/x-ndjson": step,
	}),
	problems: [...bodyProblems, ...operatorProblems],
};

export const postReplay: Operation = {
	summary: "Delivers selected dead letters again; {} selects all",
	security: "adminToken",
	body: selection,
	answer: ok("The number of dead letters, at the end or in steps", {
		...json(named("Replayed", z.object({ replayed: z.number() }))),
		"application/x-ndjson": step,
	}),
	problems: [...bodyProblems, ...operatorProblems],
};
