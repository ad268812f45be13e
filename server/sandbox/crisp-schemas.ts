import * as z from "zod";

// https://docs.crisp.chat/references/rest-api/v1/ as collected from its official clients. A field nobody documents is
// refused here: Crisp answers `invalid_data` to a wrong shape, and never says which field.

const text = z.string();
const email = z.string().regex(/^[^\s@]+@[^\s@]+$/);
const place = z
	.strictObject({
		country: text,
		region: text,
		city: text,
		coordinates: z.strictObject({ latitude: z.number(), longitude: z.number() }),
	})
	.partial();

const person = z
	.strictObject({
		nickname: text.min(1),
		avatar: text,
		gender: text,
		phone: text,
		address: text,
		description: text,
		website: text,
		timezone: z.number(),
		profiles: z.array(z.strictObject({ type: text, handle: text, url: text.optional() })),
		employment: z.strictObject({ name: text, domain: text, title: text, role: text, seniority: text }).partial(),
		geolocation: place,
		locales: z.array(text),
	})
	.partial();

const company = z
	.strictObject({
		name: text,
		legal_name: text,
		domain: text,
		url: text,
		description: text,
		timezone: z.number(),
		phones: z.array(text),
		emails: z.array(text),
		geolocation: place,
		metrics: z
			.strictObject({ employees: z.number(), market_cap: z.number(), raised: z.number(), arr: z.number() })
			.partial(),
		tags: z.array(text),
	})
	.partial();

/** `PATCH people/profile/{people_id}`: any part of the card. Custom data is not on it. */
export const partialCard = z
	.strictObject({ email, person, company, segments: z.array(text), notepad: text, active: z.number() })
	.partial();

/** `POST people/profile`, `PUT people/profile/{people_id}`: e-mail and a nickname are needed. */
export const wholeCard = partialCard.extend({ email, person: person.required({ nickname: true }) });

/** `PUT` and `PATCH people/data/{people_id}`: wrapped in `data`, scalars only. */
export const peopleData = z.strictObject({
	data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});

/** `POST people/events/{people_id}`. There is no field for the time. */
export const peopleEvent = z.strictObject({
	text: text.min(1),
	data: z.record(z.string(), z.unknown()).optional(),
	color: z.enum(["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "grey", "black"]).optional(),
});
