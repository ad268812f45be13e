import { hash, randomUUID } from "node:crypto";
import { readShopEvent, readTraits } from "../../shared/shop.ts";
import { clockOffset } from "../ingest/ingest.ts";
import { parsePerson } from "../ingest/parse-event.ts";
import { isObject, tidyPerson } from "../ingest/tidy-event.ts";

type Json = Record<string, unknown>;

/** An event made of a call. Ingest checks it as it checks every other. */
export interface Translated {
	event: Json;
	/** Names of the person; `email` is only the one that the call itself says. */
	person: { email?: string; userId?: unknown; anonymousId?: unknown; token?: unknown };
	isIdentify: boolean;
}

/** Reason for which no event can be made of a call. */
export type Unused = "group" | "alias" | "screen_without_name" | "unknown_type";

export interface TranslateOptions {
	/** Type of the call; undefined where the call says it. */
	type: string | undefined;
	/** Time of sending by the sender's clock, if the calls do not say it. */
	sentAt: unknown;
	/** True where the person is named by the token among the traits. */
	readsToken: boolean;
	now: number;
}

/** Types without an event. A group is no person, and people's keys are never joined. */
const unusedTypes: ReadonlySet<unknown> = new Set<Unused>(["group", "alias"]);
const uuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;
/** Maximum length of a time, in UTF-16 units. */
const timeLength = 64;

/** Reads a time as ISO 8601 or ms since the epoch. Undefined if it is neither. */
function timeOf(value: unknown): number | undefined {
	const time = typeof value === "string" && value.length <= timeLength ? Date.parse(value) : value;
	return typeof time === "number" && Number.isFinite(time) ? time : undefined;
}

/** Makes an event's id of a message's id, the same each time. Random without one. */
function idOf(given: unknown): string {
	const messageId = typeof given === "number" ? String(given) : given;
	if (typeof messageId !== "string" || messageId === "") return randomUUID();
	if (uuid.test(messageId)) return messageId;
	const digits = hash("sha256", `segment\n${messageId}`);
	// Version 8 is for ids made in a way of one's own: https://www.rfc-editor.org/rfc/rfc9562#section-5.8
	return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-8$3-8$4-$5");
}

/** Removes fragment, credentials and query, except `utm_*`, of a web address. Undefined for any other value. */
function bareAddress(value: unknown): string | undefined {
	if (typeof value !== "string" || !/^https?:\/\//i.test(value) || !URL.canParse(value)) return undefined;
	const url = new URL(value);
	url.hash = url.username = url.password = "";
	for (const name of [...url.searchParams.keys()]) if (!name.startsWith("utm_")) url.searchParams.delete(name);
	return url.href;
}

const objectOf = (value: unknown): Json => (isObject(value) ? value : {});
const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

function contextOf({ page, locale, timezone }: Json, properties: Json): Json {
	const { url, referrer, title } = { ...objectOf(page), ...properties };
	return {
		url: bareAddress(url),
		referrer: bareAddress(referrer),
		title: textOf(title),
		locale: textOf(locale),
		timezone: textOf(timezone),
	};
}

/** Makes the data of a page view: what the context has is left out, and addresses lose queries, which may be secret. */
function viewData(properties: Json, names: Json): Json {
	const { url: _, referrer: __, title: ___, search: ____, ...rest } = properties;
	const bare = Object.entries(rest).map(([name, value]) => [name, bareAddress(value) ?? value]);
	return { ...Object.fromEntries(bare), ...names };
}

/** Selects the first value that is an e-mail address. */
const emailOf = (...values: unknown[]): string | undefined =>
	values.map(textOf).find((value) => value !== undefined && parsePerson({ email: value }) !== undefined);

/** Returns a person's userId as an e-mail, if it is one. */
export const emailOfUserId = ({ userId }: Translated["person"]): string | undefined =>
	textOf(userId)?.includes("@") ? emailOf(userId) : undefined;

/**
 * Leaves out lists of products that are none, so that the rest of a purchase is kept. The `sku` names a product that has
 * no other id.
 */
const shopProperties = (properties: Json): Json => ({
	...properties,
	product_id: properties.product_id ?? properties.sku,
	items: Array.isArray(properties.items) ? properties.items : undefined,
	products: Array.isArray(properties.products) ? properties.products : undefined,
});

/** Makes the event of a track by the table of shop events. What is about no shop stays as it is. */
function trackOf(name: unknown, properties: Json): Json {
	if (typeof name === "string") {
		try {
			const read = readShopEvent(name, shopProperties(properties));
			if (read.name === "confirmation" && name !== read.name) return { type: "confirmation", data: read.data };
			if (read.name !== name) return { type: "track", ...read };
		} catch {
			// An amount is an object that only looks like text, and cannot become a number.
		}
	}
	return { type: "track", name, data: properties };
}

/** Makes attributes of traits. The name of a company stands for it, and the e-mail names the person. */
function attributesOf({ email: _, company, ...traits }: Json): Json {
	return { ...readTraits(traits), company: isObject(company) ? company.name : company };
}

/** Makes the type, the name and the data of a call's event. */
function eventOf(call: Json, type: unknown, traits: Json): Json | Unused {
	const properties = objectOf(call.properties);
	const { name, category } = call;
	if (type === "identify") return { type: "login", data: attributesOf(traits) };
	if (type === "page") return { type: "page", data: viewData(properties, { name, category }) };
	if (type === "screen") {
		return textOf(name) ? { type: "page", data: viewData(properties, { name, category }) } : "screen_without_name";
	}
	if (type !== "track") return unusedTypes.has(type) ? (type as Unused) : "unknown_type";
	return trackOf(call.event, properties);
}

/** Makes an event of a call of Segment's API. Returns the reason if that is not possible; the call may be anything. */
export function translate(call: unknown, { type, sentAt, readsToken, now }: TranslateOptions): Translated | Unused {
	if (!isObject(call)) return "unknown_type";
	const context = objectOf(call.context);
	const { token, ...traits }: Json = { ...objectOf(context.traits), ...objectOf(call.traits) };
	const event = eventOf(call, type ?? call.type, readsToken || token === undefined ? traits : { ...traits, token });
	if (typeof event === "string") return event;
	const sent = timeOf(sentAt) ?? timeOf(call.sentAt);
	const captured = timeOf(call.originalTimestamp) ?? timeOf(call.timestamp);
	const offset = sent === undefined ? 0 : clockOffset(sent, now);
	const at = captured === undefined ? now : Math.max(0, Math.round(captured + offset));
	const { userId, anonymousId } = objectOf(tidyPerson({ userId: call.userId, anonymousId: call.anonymousId }));
	const email = emailOf(objectOf(call.traits).email, objectOf(context.traits).email);
	return {
		event: {
			...event,
			id: idOf(call.messageId),
			at,
			context: contextOf(context, event.type === "page" ? objectOf(call.properties) : {}),
		},
		person: { ...(email !== undefined && { email }), userId, anonymousId, ...(readsToken && { token }) },
		isIdentify: event.type === "login",
	};
}
