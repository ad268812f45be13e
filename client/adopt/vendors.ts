import { readShopEvent } from "../../shared/shop.ts";
import type { Data } from "../contract.ts";

// biome-ignore lint/suspicious/noExplicitAny: a page may give anything
export type Anything = any;
/** Call as a list of its arguments, or the one object that was pushed. */
export type Call = Anything[];
/** Calls a method of the tracker. */
export type Say = (...command: [method: string, ...args: unknown[]]) => void;
/** Name of a vendor whose calls in the page can be observed. `segment` stands for RudderStack too. */
export type Adopted = "crisp" | "helpcrunch" | "vibetrace" | "ga4" | "segment";
export type Vendor = [
	/** Says to the tracker what a call means. */
	read: (...call: Call) => void,
	/** Globals that take the calls. */
	globals: string[],
	/** True if no destination has the vendor's name. */
	isNoDestination?: unknown,
];

/** Returns an object. Null, of which no field can be read, for anything else, as text has a field for each letter. */
const objectOf = (value: Anything): Anything => (Object(value) === value && !value.flatMap ? value : null);
/** Returns an e-mail. False for anything else, such as its hash. */
const readEmail = (value: Anything): string | false => /^\s*[^\s@]+@[^\s@]+\s*$/.test(value) && value;

/** Lists the innermost lists. Pages nest the arguments of Crisp's calls less than documented, or not at all. */
const innermost = (list: Anything, found: Call[] = []): Call[] => {
	if (list?.[0]?.map) list.forEach((each: Anything) => innermost(each, found));
	else found.push(list ?? "");
	return found;
};

/**
 * Makes the readers of the vendors' calls, which say to the tracker what the calls mean. The tracker refuses what is
 * unusable; readers throw where it would complain without `debug`. `via()` is the `context.via` of the events.
 */
export const createVendors = (say: Say, via: () => unknown): Record<string, Vendor> => {
	/** Latest login, with the names that the vendor has given to the visitor. */
	let visitor: { email?: unknown; userId?: unknown; attributes?: unknown } = {};

	const sayEvent = (...command: [string, ...unknown[]]) => say(...command, { via: via() });
	/** Says an event, under its standard name if it is one of a shop. */
	const track = (event: string, given: Data = {}) => {
		const { name, data } = readShopEvent(event, given);
		if (name === "confirmation") sayEvent(name, data);
		else sayEvent("track", name, data);
	};
	/** Says attributes, if there are any. */
	const update = (attributes: unknown) => JSON.stringify(attributes) === "{}" || sayEvent("update", attributes);
	/**
	 * Says who the visitor is, with what the vendor has said of them before; or attributes, if there is no name.
	 */
	const login = (givenEmail: unknown, givenId?: Anything, attributes?: unknown) => {
		const email = readEmail(givenEmail);
		// Some sites have the e-mail for an id. Texts of missing values name nobody, nor do objects.
		const userId = /^(?!(undefined|null|)\s*$)[^[]/.test(givenId) && givenId !== email && givenId;
		if (!email && !userId) return update(attributes ?? "");
		if (userId && visitor.userId && userId !== visitor.userId) visitor = {};
		visitor = { userId: userId || visitor.userId, email: email || visitor.email, attributes };
		sayEvent("login", visitor);
	};
	const reset = () => {
		visitor = {};
		say("reset");
	};

	return {
		// A page may name a vendor that every object has, such as "constructor".
		__proto__: null as never,
		/** Reads `$crisp`: https://docs.crisp.chat/guides/chatbox-sdks/web-sdk/dollar-crisp/ */
		crisp: [
			(verb, name, value) => {
				// Documented as lists, and often written without them.
				const lists = innermost(value?.map ? value : [value]);
				const first = lists[0]?.[0];
				const field = `${name}`.split(":")[1];
				if (verb === "do" && field === "reset") reset();
				// All else, such as `on` or `config`, is about the chat.
				if (verb !== "set" || first === undefined) return;
				if (field === "email") login(first);
				else if (/^u/.test(name)) update({ [field as string]: first });
				else if (field === "segments") update({ segments: lists[0] });
				else if (field === "data") update(Object.fromEntries(lists as [string, unknown][]));
				else if (field === "event")
					lists.forEach((each) => say("track", each[0], objectOf(each[1]) ?? {}, { via: via(), color: each[2] }));
			},
			["$crisp"],
		],
		/** Reads `HelpCrunch()`, and the settings as a call of `init`. */
		helpcrunch: [
			(method, first, second) => {
				// Reads the methods updateUser, updateUserData and userAuth. https://docs.helpcrunch.com/en/developers/user-entity-format
				const user = method === "init" ? (second ?? first).user : /^u/.test(method) && first;
				if (user) {
					const { email, user_id, security_hash, signature, custom_data, ...rest } = objectOf(user);
					login(email, user_id, { ...rest, ...objectOf(custom_data) });
				} else if (method === "trackEvent") sayEvent("track", first, second);
				else if (method === "logOut") reset();
			},
			["HelpCrunch", "helpcrunchSettings"],
		],
		/** Reads an event of Vibetrace, its type and payload: https://help.vtcdn.net/kb/how-to-send-events-via-api/ */
		vibetrace: [
			(type, payload = {}) => {
				// The payload of `generic` is nested twice, and older pages put the fields of an order there.
				const { generic, ...own } = objectOf(payload);
				const { event_name, email, ...data } = { ...own, ...generic };
				if (type === "login") login(email, 0, data);
				else if (type === "update") update(data);
				else if (/confirmation$/.test(type)) track("purchase", data);
				else sayEvent("track", /^(generic|event)$/.test(type) ? event_name : type, data);
			},
			["_vteq", "vt"],
		],
		/** Reads Segment's or RudderStack's `analytics`: https://segment.com/docs/connections/spec/ */
		segment: [
			(method, first, second) => {
				if (method === "identify") {
					const { email, ...traits } = objectOf(first) ?? objectOf(second) ?? {};
					login(email ?? first, first, traits);
				} else if (method === "track") track(first, second);
				else if (method === "page") sayEvent("page");
				else if (method === "reset") reset();
			},
			["analytics", "rudderanalytics"],
			true,
		],
		/**
		 * Reads an item of GA4's data layer, an object or the arguments of `gtag()`:
		 * https://developers.google.com/analytics/devguides/collection/ga4/reference/events
		 */
		ga4: [
			(command, name, parameters = {}) => {
				const given = objectOf(command) ?? (command === "set" ? { [name]: parameters, ...name } : parameters);
				const { event = command === "event" && name, ecommerce, user_id, user_data, ...rest } = given;
				if (user_id || readEmail(user_data?.email)) login(user_data?.email, user_id);
				if (event === "page_view") sayEvent("page");
				else if (event && !/^gtm\./.test(event)) track(event, { ...rest, ...ecommerce });
			},
			["dataLayer"],
			true,
		],
	};
};
