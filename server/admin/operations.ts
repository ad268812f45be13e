import * as z from "zod";
import {
	budgetHistorySchema,
	deadLetterGroupsQuerySchema,
	deadLetterGroupsSchema,
	deadLetterPageSchema,
	deadLetterQuerySchema,
	deadLetterSelectionSchema,
	exchangeQuerySchema,
	exchangeReplySchema,
	explainedEventSchema,
	explanationSchema,
	historySchema,
	liveLineSchema,
	liveQuerySchema,
	pauseReplySchema,
	searchReplySchema,
	searchSchema,
	setAsidePageSchema,
	setAsideQuerySchema,
	setAsideSelectionSchema,
	statsSchema,
} from "../../shared/admin.ts";
import { type Answer, bodyProblems, json, named, type Operation, ok, operatorProblems } from "../http/route.ts";

const badQuery = ["malformed_body"] as const;

/** Describes an operation that needs the admin token. */
const operation = (
	summary: string,
	answer: Answer,
	{ problems = operatorProblems, ...input }: Pick<Operation, "query" | "body" | "problems"> = {},
): Operation => ({
	summary,
	security: "adminToken",
	...input,
	answer,
	problems: [...(input.body ? bodyProblems : []), ...(input.query ? badQuery : []), ...problems],
});

/** Problems of an operation that changes the store. */
const changing = { problems: [...operatorProblems, "outcome_unknown"] } as const;
const selection = { body: json(named("DeadLetterSelection", deadLetterSelectionSchema)), ...changing };
const step = named(
	"Step",
	z.object({ replayed: z.number().optional(), discarded: z.number().optional(), done: z.boolean().optional() }),
);
/** Describes an answer with the number of changed dead letters, or with a line of progress after each step. */
const inSteps = (name: string, reply: z.ZodType) =>
	ok("Number of changed dead letters, at the end or after each step", {
		...json(named(name, reply)),
		"application/x-ndjson": step,
	});

export const getStats = operation(
	"Numbers of events owed, delivered and dead, and the budgets",
	ok("Numbers by destination", json(named("Stats", statsSchema))),
);

export const getLive = operation(
	"Stream of the requests to providers",
	ok("A line of JSON for each request, until either side ends the stream", {
		"application/x-ndjson": named("LiveLine", liveLineSchema),
	}),
	{ query: liveQuerySchema },
);

export const getBudget = operation(
	"Requests taken from each budget in the last 24 hours",
	ok("Numbers of requests, by time", json(named("BudgetHistory", budgetHistorySchema))),
);

export const getHistory = operation(
	"Deliveries, failures, durations and people waiting in the last 24 hours, as this proxy has seen them",
	ok("Numbers by destination and time", json(named("History", historySchema))),
);

export const postSearch = operation(
	"Journeys of an event, or of a person's events",
	ok("Journeys, the latest first", json(named("SearchReply", searchReplySchema))),
	{ body: json(named("Search", searchSchema)) },
);

export const postExchanges = operation(
	"Requests for an event and their answers, without credentials and masked unless asked for, from this proxy's memory",
	ok("Requests and answers, the oldest first", json(named("ExchangeReply", exchangeReplySchema))),
	{ body: json(named("ExchangeQuery", exchangeQuerySchema)) },
);

export const getDeadLetters = operation(
	"Dead letters, the oldest first unless the order says otherwise",
	ok("A page; `cursor` leads to the next one", json(named("DeadLetterPage", deadLetterPageSchema))),
	{ query: deadLetterQuerySchema },
);

export const getDeadLetterGroups = operation(
	"Numbers of dead letters by destination and reason",
	ok("Groups, the largest first", json(named("DeadLetterGroups", deadLetterGroupsSchema))),
	{ query: deadLetterGroupsQuerySchema },
);

export const deleteDeadLetters = operation(
	"Discards selected dead letters; `all: true` selects all",
	inSteps("Discarded", z.object({ discarded: z.number() })),
	selection,
);

export const postReplay = operation(
	"Delivers selected dead letters again; `all: true` selects all",
	inSteps("Replayed", z.object({ replayed: z.number() })),
	selection,
);

export const getJournal = operation(
	"Batches that could not be sorted into lanes and were set aside, the oldest first",
	ok("A page; `cursor` leads to the next one", json(named("SetAsidePage", setAsidePageSchema))),
	{ query: setAsideQuerySchema },
);

export const postExplain = operation(
	"Explains what each destination would be sent for an event, without sending it",
	ok("Requests, by destination", json(named("Explanation", explanationSchema))),
	{ body: json(named("ExplainedEvent", explainedEventSchema)) },
);

const holding = { problems: [...operatorProblems, "not_found", "outcome_unknown"] } as const;
const held = ok("The state of the destination afterwards", json(named("PauseReply", pauseReplySchema)));
export const postPause = operation(
	"Pauses a destination, of every site that has it, until it is resumed; events for it are kept",
	held,
	holding,
);
export const postResume = operation(
	"Resumes a destination: ends an operator's pause, or tries one that paused by itself at once",
	held,
	holding,
);

const batches = { body: json(named("SetAsideSelection", setAsideSelectionSchema)), ...changing };

export const postJournalRetry = operation(
	"Tries selected batches that were set aside again",
	ok("Number of batches", json(named("Retried", z.object({ retried: z.number() })))),
	batches,
);

export const postJournalDiscard = operation(
	"Discards selected batches that were set aside, with their events",
	ok("Number of batches", json(named("DiscardedBatches", z.object({ discarded: z.number() })))),
	batches,
);
