import * as z from "zod";

/** Types of events. A page may not send `email_open`; the backend, the image in an e-mail and reports may. */
export const eventTypes = ["track", "login", "update", "page", "confirmation", "email_open"] as const;

/** Colours of an event in Crisp. */
export const colors = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "grey", "black"] as const;

/**
 * Limits that tracker and proxy share. The tracker imports only their type, to stay small, and repeats the numbers that
 * it needs; the literal types make a different number a compile error.
 */
// Guard (SECURITY.md): event-limits
export const limits = {
	/** Maximum number of events in a batch. */
	batchEvents: 100,
	/** Maximum size of a request body after decompression, in bytes. */
	bodyBytes: 262_144,
	/** Maximum size of `data` as JSON in UTF-8, in bytes. */
	dataBytes: 16_384,
	/** Maximum number of nested levels of objects and arrays in `data`. `data` itself is the first level. */
	dataDepth: 5,
	/** Maximum length of a `name`, in UTF-16 units. */
	nameLength: 120,
	/** Maximum length of the name of an attribute, in UTF-16 units. */
	attributeNameLength: 120,
	/** Maximum length of an e-mail address (RFC 5321), in UTF-16 units. */
	emailLength: 254,
	/** Maximum length of `userId`, `anonymousId`, `orderId` and providers' own ids, in UTF-16 units. */
	idLength: 200,
	/** Maximum length of each string in `context`, in UTF-16 units. */
	contextLength: 2_048,
	/** Maximum age of an event, in ms: 30 days. */
	ageMs: 2_592_000_000,
} as const;
export type Limits = typeof limits;

/** Control characters and lone surrogates, which names and ids must not contain. */
// Guard (SECURITY.md): printable-text
const unprintable = /[\p{Cc}\p{Cs}]/u;

const printable = (max: number) =>
	z
		.string()
		.min(1)
		.max(max)
		.refine((text) => !unprintable.test(text), "has control characters or lone surrogates");

/** Zero-width, bidirectional, blank and other invisible characters, by which two names could differ and look the same. */
// Guard (SECURITY.md): invisible-text
export const invisible = /[\p{Cf}\p{DI}\p{Zl}\p{Zp}\u1680\u2800\u{1d159}]/u;
const isVisible = (text: string) => !invisible.test(text);
const invisibleHint = "has zero-width, bidirectional or blank characters";
const ambiguousHint = "has characters that may be taken for ASCII ones";

/** Recognises a character that case folding, compatibility forms or domain names turn into ASCII. */
const becomesAscii = (character: string): boolean => {
	const plain = character.normalize("NFKC");
	const lower = plain.toLowerCase();
	return character > "\x7f" && /[\0-\x7f\u3002]/.test(plain + lower + lower.toUpperCase());
};

/**
 * Recognises an e-mail or userId that a provider may take for another one, in ASCII: the Kelvin sign becomes k, the long
 * s and ß become s and ss, fullwidth letters their plain forms, a no-break space a plain one.
 */
// Guard (SECURITY.md): ascii-addresses
export const isAmbiguous = (name: string): boolean =>
	name.length <= limits.emailLength && /[^\0-\x7f]/.test(name) && [...name].some(becomesAscii);

const id = printable(limits.idLength).refine(isVisible, invisibleHint);

/** E-mail address that identifies a person: one `@` and no white space. The address need not receive mail. */
const email = z
	.string()
	.refine(isVisible, invisibleHint)
	.trim()
	.pipe(
		printable(limits.emailLength)
			.regex(/^[^\s@]+@[^\s@]+$/, "is not an e-mail address")
			.refine((address) => !isAmbiguous(address), ambiguousHint),
	);

const person = z.object({
	email: email.optional(),
	userId: id.refine((name) => !isAmbiguous(name), ambiguousHint).optional(),
	anonymousId: id.optional(),
	/** Signed identity from the app's backend, a JWT: see `signIdentity`. */
	token: z.string().min(1).max(4_096).optional(),
	/** Ids of the person at the providers, from the backend only. */
	ids: z
		.object({
			crisp: id.optional(),
			helpcrunch: z.number().int().positive().optional(),
			vibetrace: id.optional(),
		})
		.optional(),
});

/** Text that is cut to its limit, so that a long address does not lose the event. */
const contextText = z
	.string()
	.transform((text) => text.slice(0, limits.contextLength))
	.optional();

const common = {
	/** UUIDv7 when the tracker makes it, so that ids sort by time. Any UUID is accepted. */
	id: z.guid("is not a UUID").transform((uuid) => uuid.toLowerCase()),
	/** Time of capture, ms since the epoch. */
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
			/** Name of the vendor whose call in the page was observed. A destination of that name has the event already. */
			via: contextText,
		})
		.optional(),
};

const data = z.record(z.string(), z.unknown());

/** Attributes of a person. Their names are remembered, so their length is limited. */
const attributes = z.record(z.string().max(limits.attributeNameLength), z.unknown());

/** Purchase. A repeated one is recognised by its `orderId`. */
const order = z.looseObject(
	{
		orderId: z.union([id, z.number()], "must be text or a number"),
		total: z.number().optional(),
		items: z
			.array(z.looseObject({ id: z.union([z.string(), z.number()], "must be text or a number"), quantity: z.number() }))
			.optional(),
	},
	'must be an object with an orderId, such as {"orderId":"A-1"}',
);

const withData = <Type extends "page" | "email_open">(type: Type) =>
	z.object({ ...common, type: z.literal(type), data: data.optional() });
const withAttributes = <Type extends "login" | "update">(type: Type) =>
	z.object({ ...common, type: z.literal(type), data: attributes.optional() });

/**
 * Schema of an event: one fact about one person, which never changes. Unknown fields are dropped. Size, depth, age and
 * forbidden keys are checked by the proxy's ingest.
 */
export const eventSchema = z.discriminatedUnion(
	"type",
	[
		z.object({
			...common,
			type: z.literal("track"),
			name: printable(limits.nameLength),
			data: data.optional(),
		}),
		withAttributes("login"),
		withAttributes("update"),
		withData("page"),
		z.object({ ...common, type: z.literal("confirmation"), data: order }),
		withData("email_open"),
	],
	{
		error: ({ code }) =>
			code === "invalid_union" ? "must be track, login, update, page, confirmation or email_open" : undefined,
	},
);

/** Event as it is sent and stored: one fact about one person. */
export type Event = z.infer<typeof eventSchema>;
export type Color = (typeof colors)[number];
export type Person = z.infer<typeof person>;
/** Data of a purchase. `orderId` is required; providers know `total` and `items`, other fields are passed on. */
export type Order = z.infer<typeof order>;
