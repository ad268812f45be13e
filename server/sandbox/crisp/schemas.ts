import * as z from "zod";

// https://docs.crisp.chat/references/rest-api/v1/, completed from the official clients. Undocumented fields are
// refused: Crisp answers `invalid_data` to a wrong shape and never names the field.

const text = z.string();
const email = z.string().regex(/^[^\s@]+@[^\s@]+$/);
const scalars = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const anyObject = z.record(z.string(), z.unknown());
/** An object in which no field is required. */
const partial = <Shape extends z.ZodRawShape>(shape: Shape) => z.strictObject(shape).partial();

const place = partial({
	country: text,
	region: text,
	city: text,
	coordinates: z.strictObject({ latitude: z.number(), longitude: z.number() }),
});

const person = partial({
	nickname: text.min(1),
	avatar: text,
	gender: text,
	phone: text,
	address: text,
	description: text,
	website: text,
	timezone: z.number(),
	profiles: z.array(z.strictObject({ type: text, handle: text, url: text.optional() })),
	employment: partial({ name: text, domain: text, title: text, role: text, seniority: text }),
	geolocation: place,
	locales: z.array(text),
});

const company = partial({
	name: text,
	legal_name: text,
	domain: text,
	url: text,
	description: text,
	timezone: z.number(),
	phones: z.array(text),
	emails: z.array(text),
	geolocation: place,
	metrics: partial({ employees: z.number(), market_cap: z.number(), raised: z.number(), arr: z.number() }),
	tags: z.array(text),
});

/** `PATCH people/profile/{people_id}`: any part of the card, custom data excluded. */
export const partialCard = partial({
	email,
	person,
	company,
	segments: z.array(text),
	notepad: text,
	active: z.number(),
});

/** `POST people/profile`, `PUT people/profile/{people_id}`: e-mail and nickname are required. */
export const wholeCard = partialCard.extend({ email, person: person.required({ nickname: true }) });

/** `PUT` and `PATCH people/data/{people_id}`: wrapped in `data`, scalars only. */
export const peopleData = z.strictObject({ data: scalars });

/** `POST people/events/{people_id}`. There is no field for the time. */
export const peopleEvent = z.strictObject({
	text: text.min(1),
	data: anyObject.exactOptional(),
	color: z
		.enum(["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "grey", "black"])
		.exactOptional(),
});

const sender = z.enum(["user", "operator"]);

/** `POST conversation/{session_id}/message` */
export const conversationMessage = z.looseObject({
	type: z.enum(["text", "file", "animation", "audio", "carousel", "note", "picker", "field", "event"]),
	from: sender,
	origin: text.min(1),
	content: z.unknown().refine((content) => content !== undefined),
});

/** `PATCH conversation/{session_id}/…` */
const by = { user: anyObject.optional(), origin: text.optional() };
export const conversationState = z.strictObject({ state: z.enum(["pending", "unresolved", "resolved"]), ...by });
export const conversationBlock = z.strictObject({ blocked: z.boolean(), ...by });
export const conversationRouting = z.strictObject({
	assigned: z.strictObject({ user_id: text.nullable() }),
	silent: z.boolean().optional(),
});
export const conversationRead = partial({ from: sender, origin: text, fingerprints: z.array(z.number()) });
export const conversationMeta = partial({
	nickname: text,
	email,
	phone: text,
	address: text,
	subject: text,
	avatar: text,
	segments: z.array(text),
	data: scalars,
});

/** `POST website` */
export const newWebsite = z.strictObject({ name: text.min(1), domain: text.min(1) });

/** `DELETE website/{website_id}`: requires proof of identity. */
export const websiteRemoval = z.strictObject({ verify: z.strictObject({ method: text, secret: text }) });

/** `PATCH website/{website_id}/settings` */
export const settingsChange = partial({
	name: text,
	domain: text,
	domain_alternates: z.array(text),
	logo: text,
	audit: anyObject,
	contact: anyObject,
	inbox: anyObject,
	emails: anyObject,
	chatbox: anyObject,
});

/** `POST website/{website_id}/operator`, `PATCH website/{website_id}/operator/{user_id}` */
export const newOperator = z.strictObject({ email, role: z.enum(["owner", "member"]), verify: z.boolean() });
export const operatorChange = partial({ role: z.enum(["owner", "member"]), title: text });

const searchCondition = z.strictObject({
	model: z.literal("people"),
	criterion: text,
	operator: text,
	query: z.array(text),
});
export type SearchCondition = z.infer<typeof searchCondition>;

/** `?search_filter=` of `GET people/profiles/{page}`: conditions as JSON; default none. */
export const searchFilter = z
	.string()
	.default("[]")
	.transform((json, context) => {
		try {
			return JSON.parse(json) as unknown;
		} catch {
			context.addIssue("is not JSON");
			return z.NEVER;
		}
	})
	.pipe(z.array(searchCondition));
