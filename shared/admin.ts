import * as z from "zod";
import { eventSchema, eventTypes } from "./event.ts";

/**
 * What operators are told: the bodies of `/admin/*`. The console takes these types and the proxy answers in
 * them, so that neither drifts from the other. Times are ms since the epoch.
 */
const at = z.number();
const counts = z.record(z.string(), z.number());

/** An event, briefly. */
const eventBrief = z.object({
	id: z.string(),
	type: z.enum(eventTypes),
	/** What a `track` was called. */
	name: z.string().optional(),
});

/** What a provider's answer meant. */
const outcomes = ["delivered", "retry", "wait", "paused", "unknownPerson", "rejected"] as const;
const attempt = z.object({
	at,
	/** Method and path, without what tells the person: `POST /website/…/people/events/…`. */
	request: z.string(),
	outcome: z.enum(outcomes),
	/** HTTP status, where there was an answer. */
	status: z.number().optional(),
	/** Why, in the provider's words, without e-mails. */
	reason: z.string().optional(),
	ms: z.number(),
});

/** A line of `GET /admin/live`. */
export const liveLineSchema = z.discriminatedUnion("kind", [
	/** One request to a provider. */
	z.object({
		kind: z.literal("delivery"),
		...attempt.shape,
		/** What the site is called; not its write key. */
		site: z.string(),
		destination: z.string(),
		/** Masked: `a***@example.com`. */
		person: z.string(),
		/** The events that the request is for, the first 20. */
		events: z.array(eventBrief),
		/** How many events it is for. */
		count: z.number(),
	}),
	/** Nothing has happened for a while, and the connection is alive. */
	z.object({ kind: z.literal("heartbeat"), at }),
]);

const destinationStats = z.object({
	/** Its name for people. */
	title: z.string(),
	state: z.enum(["running", "waiting", "paused"]),
	/** Until when it waits or is paused, and why. */
	until: at.optional(),
	reason: z.string().optional(),
	/** Events owed. */
	waiting: z.number(),
	/** People something is owed to. */
	lanes: z.number(),
	/** Since when the oldest of these events waits. */
	oldestAt: at.optional(),
	delivered: z.number(),
	/** Dead letters kept. */
	dead: z.number(),
	/** Attributes that did not fit there. */
	leftOut: z.number(),
	/** Not delivered on purpose, by reason. */
	discarded: counts,
	/** Requests since the start of this proxy. */
	requests: z.number(),
	budget: z.array(
		z.object({
			/** The site's name in the store. */
			site: z.string(),
			/** What the site is called. */
			label: z.string(),
			/** Requests in `perMs`. */
			limit: z.number(),
			perMs: z.number(),
			/** Of the window that began at `since`, which may be over. */
			used: z.number(),
			since: at.optional(),
			/** Of the window that is now. */
			left: z.number(),
		}),
	),
});

/** `GET /admin/stats` */
export const statsSchema = z.object({
	/** The proxy's clock. */
	now: at,
	/** Batches on disk that are not sorted yet; those that could not be and were set aside. */
	journal: z.number(),
	stuck: z.number(),
	/** Events taken in so far. */
	events: z.number(),
	/** Bytes the store takes on disk. */
	bytes: z.number(),
	/** Events discarded as repeats, by reason. */
	discarded: counts,
	sinceStart: counts,
	destinations: z.record(z.string(), destinationStats),
});

/** What could not be delivered. */
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

const deadLetterId = z.string().regex(/^\d+$/, "must be the id of a dead letter");

/** The query of `GET /admin/deadletters`. */
export const deadLetterQuerySchema = z.object({
	destination: z.string().optional(),
	reason: z.string().optional(),
	/** Comma-separated. */
	ids: z
		.string()
		.transform((text) => text.split(","))
		.pipe(z.array(deadLetterId).max(500))
		.optional(),
	/** A page has 500 at most, whatever is asked for. */
	limit: z.coerce
		.number<string>()
		.int()
		.min(1)
		.overwrite((limit) => Math.min(limit, 500))
		.default(50),
	cursor: deadLetterId.optional(),
});

/** Which dead letters to replay or discard: those that match everything given. */
export const deadLetterSelectionSchema = z.strictObject({
	ids: z.array(deadLetterId).min(1).max(10_000).optional(),
	destination: z.string().optional(),
	reason: z.string().optional(),
	/** Last tried at or after, and before, ms. */
	since: z.number().optional(),
	before: z.number().optional(),
});

/** `GET /admin/deadletters` */
export const deadLetterPageSchema = z.object({ items: z.array(deadLetter), cursor: z.string().optional() });

/** `GET /admin/budget`: requests taken from each budget, by slots of `stepMs`; where nothing was, there is no slot. */
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

/** The body of `POST /admin/search`: in a body, as a person's address has no place in a URL. */
export const searchSchema = z.union([
	z.strictObject({ event: z.guid("must be an event's id, a UUID").transform((id) => id.toLowerCase()) }),
	z.strictObject({ person: z.string().trim().min(1, "must be an e-mail or a userId").max(300, "is too long") }),
]);

/** Where an event is at one destination. */
const delivery = z.object({
	destination: z.string(),
	state: z.enum([
		"delivered",
		/** In turn, or waiting to be tried again. */
		"waiting",
		/** A request is under way. */
		"sending",
		"dead",
		/** Not sent, on purpose: `reason`. */
		"skipped",
		/** Not waiting and not dead; what became of it was longer ago than this proxy remembers. */
		"past",
	]),
	at: at.optional(),
	reason: z.string().optional(),
	/** Events of this person that come before it, while it waits (200: so many at least); when it can be tried. */
	ahead: z.number().optional(),
	dueAt: at.optional(),
	deadLetter: deadLetter.omit({ event: true, destination: true }).optional(),
	attempts: z.array(attempt),
});

const journey = z.object({
	event: eventBrief.extend({ at, data: z.record(z.string(), z.unknown()).optional() }),
	site: z.string(),
	person: z.string(),
	/** When the proxy took it. */
	receivedAt: at.optional(),
	/** From the backend, or with a signed identity. */
	trusted: z.boolean().optional(),
	/** Copies of it, or of what it says, that were discarded. */
	discarded: z.array(z.object({ at, reason: z.string() })),
	deliveries: z.array(delivery),
});

/** `POST /admin/search` */
export const searchReplySchema = z.object({
	/** The latest first, 50 at most. */
	journeys: z.array(journey),
	/** False when there was too much to look through. */
	isComplete: z.boolean(),
	/** Batches that are not sorted yet, whose events are not found. */
	journal: z.number(),
	/** What this proxy remembers of deliveries goes back to here. */
	since: at,
});

export type Attempt = z.infer<typeof attempt>;
export type EventBrief = z.infer<typeof eventBrief>;
export type LiveLine = z.infer<typeof liveLineSchema>;
export type LiveDelivery = Extract<LiveLine, { kind: "delivery" }>;
export type Stats = z.infer<typeof statsSchema>;
export type DestinationNumbers = z.infer<typeof destinationStats>;
export type DeadLetterView = z.infer<typeof deadLetter>;
export type DeadLetterPageView = z.infer<typeof deadLetterPageSchema>;
export type BudgetHistory = z.infer<typeof budgetHistorySchema>;
/** What is looked for: an event by its id, or somebody by e-mail or user id. */
export type Wanted = z.infer<typeof searchSchema>;
export type SearchReply = z.infer<typeof searchReplySchema>;
export type Journey = z.infer<typeof journey>;
export type JourneyDelivery = z.infer<typeof delivery>;
