import * as z from "zod";
import { eventSchema, eventTypes, invisible, isAmbiguous } from "./event.ts";

// Bodies of `/admin/*`, shared by the proxy, which answers in these types, and the console, which reads them.

/** Time, ms since the epoch. */
const at = z.number();
const counts = z.record(z.string(), z.number());

const eventBrief = z.object({
	id: z.string(),
	type: z.enum(eventTypes),
	/** Name of a `track` event. */
	name: z.string().optional(),
});

/** Outcomes of a request to a provider. */
const outcomes = ["delivered", "retry", "wait", "paused", "unknownPerson", "rejected"] as const;
const attempt = z.object({
	at,
	/** Method and path, without the parts that name the person: `POST /website/…/people/events/…`. */
	request: z.string(),
	outcome: z.enum(outcomes),
	/** HTTP status, if there was an answer. */
	status: z.number().optional(),
	/** Reason in the provider's words, without e-mails. */
	reason: z.string().optional(),
	ms: z.number(),
});

/** Query of `GET /admin/live`: whether to name people in full. */
export const liveQuerySchema = z.object({ show: z.enum(["true", "false"]).default("false") });

/** Line of `GET /admin/live`. */
export const liveLineSchema = z.discriminatedUnion("kind", [
	/** Request to a provider, with its outcome. */
	z.object({
		kind: z.literal("delivery"),
		...attempt.shape,
		/** Label of the site, which is not its write key. */
		site: z.string(),
		destination: z.string(),
		/** Name of the person, masked unless `show` is true: `a***@example.com`. */
		person: z.string(),
		/** First 20 events that the request delivers. */
		events: z.array(eventBrief),
		/** Number of events that the request delivers. */
		count: z.number(),
	}),
	/** Sign of life, sent after a while without a request. */
	z.object({ kind: z.literal("heartbeat"), at }),
]);

/** Why events wait at a destination, and until when. */
const wait = z.object({
	for: z.enum([
		/** Nothing but their turn: requests are being sent. */
		"turn",
		/** The next attempt of lanes that failed. */
		"retry",
		/** The budget, which refills evenly. */
		"budget",
		/** The next window of the budget, as the rest of this one is kept for the backend's events. */
		"reserve",
		/** The end of a wait that the destination asked for. */
		"limit",
		/** The end of a pause after refusals or an outage. */
		"pause",
		/** The operator who paused the destination. */
		"operator",
	]),
	/** Time of the next request. Absent while an operator's pause lasts. */
	nextAt: at.optional(),
	/** Time at which all events that wait now will have been sent, at this rate. Absent while an operator's pause lasts. */
	doneAt: at.optional(),
});

const destinationStats = z.object({
	/** Name of the destination for people to read. */
	title: z.string(),
	state: z.enum(["running", "waiting", "paused"]),
	/** Time before which the wait or pause does not end. Absent in an operator's pause. */
	until: at.optional(),
	/** Reason of the wait or pause; `operator` for an operator's pause. */
	reason: z.string().optional(),
	/** Time at which an operator paused the destination. Absent unless one did. */
	pausedAt: at.optional(),
	/** Hold of requests that create profiles, if the destination refuses just these. */
	creationHold: z.object({ reason: z.string(), until: at }).optional(),
	/** Number of events owed to the destination. */
	waiting: z.number(),
	/** Why they wait, and until when. Absent if none waits. */
	wait: wait.optional(),
	/** Number of people whose events are owed to the destination. */
	lanes: z.number(),
	/** Arrival of the oldest event owed. */
	oldestAt: at.optional(),
	delivered: z.number(),
	/** Number of dead letters kept. */
	dead: z.number(),
	/** Number of attribute values that the provider cannot hold or the sender may not set. */
	leftOut: z.number(),
	/** Up to 20 names of attributes that the provider has refused since the start of this proxy. */
	refusedNames: z.array(z.string()),
	/** Number of events that were deliberately not delivered, by reason. */
	discarded: counts,
	/** Number of requests since the start of this proxy. */
	requests: z.number(),
	budget: z.array(
		z.object({
			/** Name of the site in the store. */
			site: z.string(),
			/** Label of the site. */
			label: z.string(),
			/** Requests allowed in each window of `perMs`. */
			limit: z.number(),
			perMs: z.number(),
			/** Requests taken from the budget in its latest window. */
			used: z.number(),
			/** Start of the latest window, which may have ended. */
			since: at.optional(),
			/** Requests left in the current window. */
			left: z.number(),
		}),
	),
});

/** Body of `GET /admin/stats`. */
export const statsSchema = z.object({
	/** Time by the proxy's clock. */
	now: at,
	/** Number of batches in the journal, which are not fanned out yet. */
	journal: z.number(),
	/** Age of the oldest of these batches, ms; 0 without one. */
	journalAge: z.number(),
	/** Number of batches that cannot be fanned out, and were set aside. */
	stuck: z.number(),
	/** True if a newer eventferry has changed the store, so that this one takes nothing in. */
	isOutdated: z.boolean().optional(),
	/** Number of events fanned out so far. */
	events: z.number(),
	/** Size of the store on disk, in bytes. */
	bytes: z.number(),
	/** Use of the store's room, in bytes. `isFull`: events of unverified visitors are refused. */
	room: z.object({ used: z.number(), max: z.number(), isFull: z.boolean() }).optional(),
	/** Number of events discarded at fan-out, by the reason of the claim. */
	discarded: counts,
	/** Number of claims, rows of `known` and links that were deleted because the store was full. */
	forgotten: z.number(),
	/** Numbers since the start of this proxy: events accepted, rejected or sent by a bot; web hooks by outcome. */
	sinceStart: counts,
	destinations: z.record(z.string(), destinationStats),
});

/** Answer of `POST /admin/destinations/{name}/pause` and `/resume`. */
export const pauseReplySchema = z.object({ destination: z.string(), state: z.enum(["running", "waiting", "paused"]) });

/** Event that could not be delivered to a destination. */
const deadLetter = z.object({
	id: z.string(),
	destination: z.string(),
	event: eventSchema,
	status: z.number().optional(),
	reason: z.string(),
	message: z.string().optional(),
	attempts: z.number(),
	firstAt: at,
	lastAt: at,
});

/** Name of a person: an e-mail or a userId. */
const personName = z
	.string()
	.refine((text) => !invisible.test(text), "has zero-width, bidirectional or blank characters")
	.trim()
	.min(1, "must be an e-mail or a userId")
	.max(300, "must have at most 300 characters")
	.refine((text) => !text.includes("@") || !isAmbiguous(text), "has characters that may be taken for ASCII ones");

/** Conditions of dead letters, all of which must be met. */
const deadLetterConditions = {
	destination: z.string().optional(),
	reason: z.string().optional(),
	/** Person whom the event is about. */
	person: personName.optional(),
	/** Name of the event; of one without a name, its type. */
	name: z.string().optional(),
};

const deadLetterId = z.string().regex(/^\d+$/, "must be the id of a dead letter");

/** Maximum number of items in a page. A number over 500 counts as 500. */
const pageLimit = z.coerce
	.number<string>()
	.int()
	.min(1)
	.overwrite((limit) => Math.min(limit, 500))
	.default(50);

/** Query of `GET /admin/deadletters/groups`. */
export const deadLetterGroupsQuerySchema = z.object({
	...deadLetterConditions,
	/** Start of the period in which the last attempt was made, ms since the epoch. */
	since: z
		.string()
		.regex(/^\d{1,15}$/, "must be a time in ms since the epoch")
		.transform(Number)
		.optional(),
});

/** Query of `GET /admin/deadletters`. */
export const deadLetterQuerySchema = deadLetterGroupsQuerySchema.extend({
	order: z.enum(["oldest", "newest"]).default("oldest"),
	/** Ids separated by commas. */
	ids: z
		.string()
		.transform((text) => text.split(","))
		.pipe(z.array(deadLetterId).max(500))
		.optional(),
	limit: pageLimit,
	cursor: deadLetterId.optional(),
});

/** Body of `GET /admin/deadletters/groups`: dead letters by destination and reason, the most first. */
export const deadLetterGroupsSchema = z.object({
	/** At most 100 groups. */
	groups: z.array(
		z.object({
			destination: z.string(),
			reason: z.string(),
			count: z.number(),
			/** Times at which the first and the last of the events happened. */
			oldest: at,
			newest: at,
		}),
	),
	/** Number of all dead letters counted, those of further groups included. */
	count: z.number(),
	/** False if counting took too long: there are more. */
	isComplete: z.boolean(),
});

// Guard (SECURITY.md): empty-selection
const hasCondition = (selection: object) => Object.keys(selection).length > 0;

/**
 * Selection of dead letters to replay or discard. A dead letter must match all fields. An empty selection is refused,
 * because a body that got lost on the way must not select everything.
 */
export const deadLetterSelectionSchema = z
	.strictObject({
		...deadLetterConditions,
		ids: z.array(deadLetterId).min(1).max(10_000).optional(),
		/** Start of the period in which the last attempt was made, ms since the epoch. */
		since: z.int().optional(),
		/** End of that period, exclusive, ms since the epoch. */
		before: z.int().optional(),
		all: z.literal(true).optional(),
	})
	.refine(hasCondition, 'select dead letters by at least one field, or all of them with { "all": true }');

const batchId = z.string().regex(/^\d+$/, "must be the id of a batch");

/** Query of `GET /admin/journal`. */
export const setAsideQuerySchema = z.object({ limit: pageLimit, cursor: batchId.optional() });

/** Selection of batches to try again or to discard. An empty one is refused, as that of dead letters is. */
export const setAsideSelectionSchema = z.union(
	[z.strictObject({ ids: z.array(batchId).min(1).max(10_000) }), z.strictObject({ all: z.literal(true) })],
	'select batches by { "ids": ["1", …] }, or all of them with { "all": true }',
);

/** Batch of accepted events that could not be sorted into lanes. */
const setAsideBatch = z.object({
	id: z.string(),
	/** Label of the site. Absent if the batch cannot be read. */
	site: z.string().optional(),
	/** Number of events. */
	events: z.number(),
	/** Time at which the batch was accepted, if it is known. */
	storedAt: at.optional(),
	/** Message of the failure, without e-mails. */
	reason: z.string(),
});

/** Body of `GET /admin/journal`. */
export const setAsidePageSchema = z.object({ items: z.array(setAsideBatch), cursor: z.string().optional() });

/** Body of `GET /admin/deadletters`. */
export const deadLetterPageSchema = z.object({ items: z.array(deadLetter), cursor: z.string().optional() });

/** Body of `GET /admin/budget`: requests used of each budget, in slots of `stepMs`. Empty slots are left out. */
export const budgetHistorySchema = z.object({
	from: at,
	to: at,
	stepMs: z.number(),
	budgets: z.array(
		z.object({
			site: z.string(),
			destination: z.string(),
			limit: z.number(),
			perMs: z.number(),
			used: z.array(z.object({ at, used: z.number() })),
		}),
	),
});

/** Numbers by slot; null where nothing is known. */
const series = z.array(z.number().nullable());

/**
 * Body of `GET /admin/history`: the last 24 hours of each destination in slots of `stepMs`, as this proxy has seen them
 * since `since`. Every series begins at `from`.
 */
export const historySchema = z.object({
	from: at,
	to: at,
	stepMs: z.number(),
	since: at,
	destinations: z.record(
		z.string(),
		z.object({
			/** Events delivered. */
			delivered: series,
			/** Requests that failed, were refused or met a limit. */
			failed: series,
			/** Mean and longest duration of the requests, ms. */
			meanMs: series,
			slowestMs: series,
			/** People whose events waited. */
			waiting: series,
		}),
	),
});

/** Body of `POST /admin/search`. The route is a POST, so that a person's e-mail does not appear in a URL. */
export const searchSchema = z.union(
	[
		z.strictObject({ event: z.guid("must be an event's id, a UUID").transform((id) => id.toLowerCase()) }),
		z.strictObject({ person: personName }),
	],
	`must be {"event": an event's id, a UUID} or {"person": an e-mail or a userId}`,
);

/** State of an event at one destination. */
const delivery = z.object({
	destination: z.string(),
	state: z.enum([
		"delivered",
		/** Waiting for its turn, or for another attempt. */
		"waiting",
		/** In a request that is under way. */
		"sending",
		"dead",
		/** Deliberately not sent, for `reason`. */
		"skipped",
		/** No longer owed and not dead; it ended before the proxy's memory begins. */
		"past",
	]),
	at: at.optional(),
	reason: z.string().optional(),
	/** Number of this person's events before this one, while it waits. 200 stands for 200 or more. */
	ahead: z.number().optional(),
	/** Time of the next attempt. */
	dueAt: at.optional(),
	/** Why the destination's events wait, and until when, while this one does. */
	wait: wait.optional(),
	deadLetter: deadLetter.omit({ event: true, destination: true }).optional(),
	attempts: z.array(attempt),
});

const journey = z.object({
	event: eventBrief.extend({ at, data: z.record(z.string(), z.unknown()).optional() }),
	site: z.string(),
	person: z.string(),
	/** Time at which the proxy accepted the event. */
	receivedAt: at.optional(),
	/** True if the event came from the backend or with a verified identity. */
	trusted: z.boolean().optional(),
	/** Discarded copies of the event, and discarded events about the same fact, such as the same order. */
	discarded: z.array(z.object({ at, reason: z.string() })),
	deliveries: z.array(delivery),
});

/** Answer of `POST /admin/search`. */
export const searchReplySchema = z.object({
	/** At most 50 journeys, the latest first. */
	journeys: z.array(journey),
	/** False if the search ended early or found more journeys. */
	isComplete: z.boolean(),
	/** Number of batches that are not fanned out yet, whose events a search does not find. */
	journal: z.number(),
	/** Time from which this proxy remembers deliveries. */
	since: at,
});

/** Body of `POST /admin/exchanges`: the event, and whether to show what is about its person. */
export const exchangeQuerySchema = z.strictObject({
	event: z.guid("must be an event's id, a UUID").transform((id) => id.toLowerCase()),
	show: z.boolean().default(false),
});

/** Answer of `POST /admin/exchanges`: the requests for an event that this proxy remembers, the oldest first. */
export const exchangeReplySchema = z.object({
	exchanges: z.array(
		z.object({
			at,
			site: z.string(),
			destination: z.string(),
			/** Method and path. Parts that name the person are left out unless `show` is true. */
			request: z.string(),
			/** Body of the request, up to 16 KB: JSON, or text if it is clipped. Values are masked unless `show` is true. */
			sent: z.unknown().optional(),
			/** Body of the answer, up to 16 KB, in the same way. Absent if there was none. */
			answer: z.unknown().optional(),
			outcome: z.enum(outcomes),
			status: z.number().optional(),
			ms: z.number(),
		}),
	),
	/** True if values are masked. */
	isMasked: z.boolean(),
	/** Time from which this proxy remembers requests. */
	since: at,
});

/** Answer of `POST /admin/explain`: what each destination would be sent for a person who is not known yet. */
export const explanationSchema = z.object({
	/** Label of the site. */
	site: z.string(),
	/** The event, with the fields that were filled in. */
	event: eventSchema,
	destinations: z.record(
		z.string(),
		z.object({
			title: z.string(),
			sent: z.boolean(),
			/** Words that say why it is sent or not. */
			because: z.string(),
			/** The rule that decided, `rules[0]`, by what it decided: `send`, `name`, `as`, …. */
			by: z.record(z.string(), z.string()),
			/** The event as the destination gets it. */
			as: z
				.object({
					type: z.enum(eventTypes),
					name: z.string().optional(),
					digest: z.boolean().optional(),
					rank: z.enum(eventTypes).optional(),
					expires: z.string().optional(),
				})
				.optional(),
			note: z.string().optional(),
			requests: z.array(
				z.object({
					/** Method and path, below the provider's base URL. */
					request: z.string(),
					body: z.record(z.string(), z.unknown()).optional(),
					/** Number of requests that it takes from the budget. */
					cost: z.number(),
					/** The answer that is assumed. */
					answer: z.enum(["delivered", "unknown_person"]),
				}),
			),
			/** Number of requests taken from the budget in all. */
			cost: z.number(),
			budget: z.object({ requests: z.number(), per: z.enum(["day", "minute", "second"]) }),
			/** End of the event; absent if it is not sent at all. */
			ends: z.enum(["delivered", "waits", "discarded", "dead"]).optional(),
			/** Reason why it is discarded, dead or not sent, other than a rule or `events`. */
			reason: z.string().optional(),
		}),
	),
});

/** Body of `POST /admin/explain`: an event as people write it, which is checked by itself. */
export const explainedEventSchema = z.record(z.string(), z.unknown());

export type ExchangeReply = z.infer<typeof exchangeReplySchema>;
export type Explanation = z.infer<typeof explanationSchema>;
export type Attempt = z.infer<typeof attempt>;
export type EventBrief = z.infer<typeof eventBrief>;
export type LiveLine = z.infer<typeof liveLineSchema>;
export type LiveDelivery = Extract<LiveLine, { kind: "delivery" }>;
export type PauseReply = z.infer<typeof pauseReplySchema>;
export type Wait = z.infer<typeof wait>;
export type Stats = z.infer<typeof statsSchema>;
export type DestinationNumbers = z.infer<typeof destinationStats>;
export type DeadLetterView = z.infer<typeof deadLetter>;
export type DeadLetterGroups = z.infer<typeof deadLetterGroupsSchema>;
export type DeadLetterPageView = z.infer<typeof deadLetterPageSchema>;
export type SetAsideView = z.infer<typeof setAsideBatch>;
export type SetAsidePageView = z.infer<typeof setAsidePageSchema>;
export type History = z.infer<typeof historySchema>;
export type BudgetHistory = z.infer<typeof budgetHistorySchema>;
/** Subject of a search: an event by its id, or a person by e-mail or userId. */
export type Wanted = z.infer<typeof searchSchema>;
export type SearchReply = z.infer<typeof searchReplySchema>;
export type Journey = z.infer<typeof journey>;
export type JourneyDelivery = z.infer<typeof delivery>;
