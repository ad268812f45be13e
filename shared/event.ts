import * as z from "zod";

/** What an event can be. `email_open` comes from the backend and the signed pixel only. */
export const eventTypes = ["track", "login", "update", "page", "confirmation", "email_open"] as const;

/** The ten colours Crisp draws an event in. */
export const colors = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "grey", "black"] as const;

/**
 * Limits both sides keep. The browser imports this type alone and repeats the numbers it needs;
 * the literal types make a differing number a compile error.
 */
// Guard (SECURITY.md): event-limits
export const limits = {
	/** Events in one batch. */
	batchEvents: 100,
	/** Bytes of one request body, after decompression. */
	bodyBytes: 262_144,
	/** Bytes of `data` as JSON in UTF-8. */
	dataBytes: 16_384,
	/** Levels of objects and arrays in `data`, `data` itself being the first. */
	dataDepth: 5,
	/** UTF-16 units of a `name`. */
	nameLength: 120,
	/** UTF-16 units of an e-mail, RFC 5321. */
	emailLength: 254,
	/** UTF-16 units of `userId`, `anonymousId`, `orderId` and providers' own ids. */
	idLength: 200,
	/** UTF-16 units of each string in `context`. */
	contextLength: 2_048,
	/** Age in ms past which an event is no longer taken: 30 days. */
	ageMs: 2_592_000_000,
} as const;
export type Limits = typeof limits;

/** Control characters and lone surrogates: never part of a name or an id. */
// Guard (SECURITY.md): printable-text
const unprintable = /[\p{Cc}\p{Cs}]/u;

const printable = (max: number) =>
	z
		.string()
		.min(1)
		.max(max)
		.refine((text) => !unprintable.test(text), "has control characters or lone surrogates");

const id = printable(limits.idLength);

/** An e-mail as an address for a person: one `@`, no white space. Whether it can be mailed is not asked. */
const email = z
	.string()
	.trim()
	.pipe(printable(limits.emailLength).regex(/^[^\s@]+@[^\s@]+$/, "is not an e-mail address"));

const person = z.object({
	email: email.optional(),
	userId: id.optional(),
	anonymousId: id.optional(),
	/** A signed identity, from the app's backend: see `signIdentity`. */
	token: z.string().min(1).max(4_096).optional(),
	/** The providers' own ids, from the backend only. */
	ids: z
		.object({
			crisp: id.optional(),
			helpcrunch: z.number().int().positive().optional(),
			vibetrace: id.optional(),
		})
		.optional(),
});

/** What is longer is cut: a long address must not cost its event. */
const contextText = z
	.string()
	.transform((text) => text.slice(0, limits.contextLength))
	.optional();

const common = {
	/** UUIDv7, so that ids sort by time; any UUID is accepted. */
	id: z.guid("is not a UUID").transform((uuid) => uuid.toLowerCase()),
	/** Capture time, ms since the epoch. */
	at: z.number().int().nonnegative(),
	person,
	color: z.enum(colors).optional(),
	context: z
		.object({
			url: contextText,
			title: contextText,
			referrer: contextText,
			locale: contextText,
			timezone: contextText,
		})
		.optional(),
};

const data = z.record(z.string(), z.unknown());

/** A purchase. `orderId` is what makes a repeated one recognisable. */
const order = z.looseObject({
	orderId: z.union([id, z.number()]),
	total: z.number().optional(),
	items: z.array(z.looseObject({ id: z.union([z.string(), z.number()]), quantity: z.number() })).optional(),
});

const withData = <Type extends "login" | "update" | "page" | "email_open">(type: Type) =>
	z.object({ ...common, type: z.literal(type), data: data.optional() });

/**
 * One fact about one person, made once and never changed after. Unknown fields are dropped.
 * Sizes, depth, age and forbidden keys are checked by the proxy's ingest.
 */
export const eventSchema = z.discriminatedUnion("type", [
	z.object({
		...common,
		type: z.literal("track"),
		name: printable(limits.nameLength),
		data: data.optional(),
	}),
	withData("login"),
	withData("update"),
	withData("page"),
	z.object({ ...common, type: z.literal("confirmation"), data: order }),
	withData("email_open"),
]);

/** One fact about one person, as it travels and is stored. */
export type Event = z.infer<typeof eventSchema>;
export type Color = (typeof colors)[number];
export type Person = z.infer<typeof person>;
/** What a purchase carries: `orderId` is required, `total` and `items` are known to the providers. */
export type Order = z.infer<typeof order>;
