import { describe, expect, test } from "vitest";
import type { Known } from "../../../server/providers/provider.ts";
import { createProvider } from "../../../server/providers/registry.ts";
import type { VibetraceConfig } from "../../../server/providers/vibetrace/vibetrace.ts";
import type { StoredEvent } from "../../../server/stored-event.ts";
import { eventSchema, type Person } from "../../../shared/event.ts";
import { creationPlans, creations, deliverLane, learn, type Reply, type Sent, sent } from "./lane.ts";

const now = Date.UTC(2026, 10, 23, 12);
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const ada = { email: "ada@example.com" };

const provider = (options: Partial<VibetraceConfig> = {}) =>
	createProvider("vibetrace", {
		apiKey: "key",
		baseUrl: "https://vibetrace.invalid/v1",
		standardEvents: ["viewitem", "addtocart"],
		createPeople: "always",
		occurredAt: "late",
		...options,
	});
const vibetrace = provider();

interface Fields {
	type: string;
	name?: string;
	at?: number;
	person?: Person;
	data?: Record<string, unknown>;
	color?: string;
	context?: Record<string, string>;
}

function stored(fields: Fields, trusted = false): StoredEvent {
	const event = eventSchema.parse({ id: crypto.randomUUID(), at: now, person: ada, ...fields });
	return { event, trusted, ...(trusted && { signed: true as const }), receivedAt: now };
}
const track = (name: string, person: Person = ada) => stored({ type: "track", name, person });
const login = (data: Record<string, unknown>, trusted = false) => stored({ type: "login", data }, trusted);
const update = (data: Record<string, unknown>, trusted = false) => stored({ type: "update", data }, trusted);

const done: Reply = [200, { results: { message: "Event created" } }];
const nobody: Reply = [404, { errors: [{ message: "User not found" }] }];
const taken = () => done;

/** Delivers a lane to Vibetrace, which accepts everything by default. */
const deliver = (events: StoredEvent[], known: Known = {}, at = now, replies: (request: Sent) => Reply = taken) =>
	deliverLane(vibetrace, events, replies, { known, now: at });
/** Resolves to the knowledge of a person who was answered not to exist. */
const afterMissing = (person: Person = ada) => learn(vibetrace, track("before", person), [nobody], { now });

const event = (type: object, settles = 1, user: object = ada) => ({
	method: "POST",
	path: "event",
	body: { user, event: type },
	settles,
});
const generic = (name: string, data: object = {}) => ({ generic: { generic: { event_name: name, ...data } } });
const upsert = (body: object, settles: number) => ({
	method: "PUT",
	path: "user/ada@example.com",
	query: { upsert: "true" },
	body,
	settles,
});

describe("an event", () => {
	test.each<[string, Fields, object]>([
		["a custom event stands under `generic`, twice", { type: "track", name: "my_event" }, generic("my_event")],
		[
			"data stands beside the event's name",
			{ type: "track", name: "my_event", data: { firstname: "alexandru", a: { b: [1] } } },
			generic("my_event", { firstname: "alexandru", a: { b: [1] } }),
		],
		[
			"data does not override the event's name",
			{ type: "track", name: "mine", data: { event_name: "other" } },
			generic("mine"),
		],
		[
			"a standard event stands under its own key",
			{ type: "track", name: "viewitem", data: { itemId: 5 } },
			{ viewitem: { itemId: 5 } },
		],
		["a standard event that is not configured is generic", { type: "track", name: "search" }, generic("search")],
		["a name that every object inherits is generic", { type: "track", name: "toString" }, generic("toString")],
		[
			"a tracked event named like another type of Vibetrace's is generic",
			{ type: "track", name: "update" },
			generic("update"),
		],
		["a tracked event named login is generic", { type: "track", name: "login" }, generic("login")],
		["a tracked event named confirmation is generic", { type: "track", name: "confirmation" }, generic("confirmation")],
		["a colour, which only Crisp knows, is left out", { type: "track", name: "x", color: "red" }, generic("x")],
		[
			"a confirmation has its own type and carries the order",
			{ type: "confirmation", data: { orderId: "A-1", total: 9.5, items: [{ id: 1, quantity: 2 }] } },
			{ confirmation: { orderId: "A-1", total: 9.5, items: [{ id: 1, quantity: 2 }] } },
		],
		[
			"an opened e-mail is generic",
			{ type: "email_open", data: { campaign: "c" } },
			generic("email_open", { campaign: "c" }),
		],
		[
			"a page carries its URL and title",
			{ type: "page", context: { url: "https://shop.example/a", title: "A" } },
			generic("page", { url: "https://shop.example/a", title: "A" }),
		],
		["a page may have neither URL nor title", { type: "page" }, generic("page")],
	])("%s", (_, fields, type) => {
		const plan = vibetrace.plan([stored(fields)], {}, now);
		expect(sent(plan)).toEqual(event(type));
		expect(plan).toMatchObject({ covers: 1 });
	});

	test("is never merged with the next", async () => {
		expect((await deliver([track("a"), track("a")])).requests).toEqual([event(generic("a")), event(generic("a"))]);
	});

	test.each([
		["late", minute, false],
		["late", minute + 1, true],
		["always", 0, true],
		["never", day, false],
	] as const)("with occurredAt %s, sent %d ms after its capture, carries its time: %s", (occurredAt, ms, stamped) => {
		const late = stored({ type: "track", name: "x", at: now - ms });
		const time = { occurred_at: new Date(now - ms).toISOString() };
		expect(sent(provider({ occurredAt }).plan([late], {}, now))).toEqual(event(generic("x", stamped ? time : {})));
	});

	test.each(["a/b", "..", "%2e%2e", "#", "?", "🛒", '"quotes"', "<b>", "$set", "a.b"])("may have the name %j", (name) =>
		expect(sent(vibetrace.plan([track(name)], {}, now))).toEqual(event(generic(name))),
	);
});

describe("a person", () => {
	test.each<[string, Person, object | undefined]>([
		["is addressed by e-mail", ada, ada],
		["is addressed by e-mail even with a userId", { ...ada, userId: "u-1" }, ada],
		["is addressed by _id if it is given", { ...ada, ids: { vibetrace: "v-1" } }, { _id: "v-1" }],
		["may be addressed by _id without an e-mail", { userId: "u-1", ids: { vibetrace: "v-1" } }, { _id: "v-1" }],
		["is not addressed by another provider's id", { ...ada, ids: { crisp: "p", helpcrunch: 7 } }, ada],
		["cannot be addressed by userId", { userId: "u-1" }, undefined],
	])("%s", (_, person, user) => {
		expect(vibetrace.addresses(person)).toBe(user !== undefined);
		if (user) expect(sent(vibetrace.plan([track("x", person)], {}, now))).toEqual(event(generic("x"), 1, user));
	});

	test.each(["a/b@x", "../..@x", "%2e%2e@x", "a#b@x", "a?upsert=false@x"])(
		"with the e-mail %j is not created, as it may not stay one path segment",
		async (email) => {
			const plan = vibetrace.plan([track("x", { email })], await afterMissing({ email }), now);
			expect(plan).toMatchObject({ kind: "refuse", reason: "unbuildable" });
		},
	);

	test.each(["a&upsert=false@x", "🛒@x", '"ab"@x'])(
		"with the e-mail %j fills exactly one path segment when created",
		async (email) => {
			const plan = vibetrace.plan([track("x", { email })], await afterMissing({ email }), now);
			expect(plan).toMatchObject({ request: { path: ["user", email], query: { upsert: "true" } } });
		},
	);
});

describe("a login or update", () => {
	const both = [login, update];

	test.each<[string, Record<string, unknown>, unknown[]]>([
		["is an update of flat attributes", { firstname: "alexandru" }, [event({ update: { firstname: "alexandru" } })]],
		[
			"keeps scalars as they are",
			{ seats: 3, paid: false, note: "" },
			[event({ update: { seats: 3, paid: false, note: "" } })],
		],
		["leaves out values that are not scalars", { tags: ["a"], plan: "pro" }, [event({ update: { plan: "pro" } })]],
		["without attributes costs no request", {}, []],
		["without usable attributes costs no request", { tags: ["a"], segments: ["b"], more: null }, []],
		["leaves out what is unset", { phone: null, plan: "pro" }, [event({ update: { plan: "pro" } })]],
	])("%s", async (_, attributes, requests) => {
		for (const make of both) expect((await deliver([make(attributes)])).requests).toEqual(requests);
	});

	const privileged = { email: "eve@example.com", _id: "v-2", isSubscribed: true, unsubscribed: false };

	test("from a browser sets no attribute that decides identity or consent", async () => {
		for (const make of both) {
			expect((await deliver([make({ ...privileged, plan: "pro" })])).requests).toEqual([
				event({ update: { plan: "pro" } }),
			]);
			expect(vibetrace.plan([make({ ...privileged, plan: "pro" })], {}, now)).toMatchObject({ leftOut: 4 });
			expect((await deliver([make(privileged)])).requests).toEqual([]);
		}
	});

	test("from a browser sets no such attribute by creating its person", async () => {
		const lane = await deliver([login({ ...privileged, plan: "pro" })], await afterMissing());
		expect(lane.requests).toEqual([upsert({ plan: "pro" }, 1)]);
	});

	test("from a browser sets no such attribute through the data of an event", async () => {
		const fields = { type: "track", name: "viewitem", data: { ...privileged, itemId: "i" } };
		expect((await deliver([stored(fields)])).requests).toEqual([event({ viewitem: { itemId: "i" } })]);
		expect((await deliver([stored(fields, true)])).requests).toEqual([
			event({ viewitem: { ...privileged, itemId: "i" } }),
		]);
	});

	test.each([
		...["EMAIL", " email\t", "ｅｍａｉｌ", "e\u200bmail", "émail", "e\u0301mail", "_ID", "iſſubscribed", "ißubscribed"],
		...["ıssubscribed", "İsSubscribed", "un\u00adsubscribed", "$set", "a.b", ".", "＄set", "a$"],
		...["emaıl", "_ıd", "ema\u{1d6a4}l", "_\u{1d6a4}d", "ema\u2170l", "unſubſcribed", "iS\u24c8ubscribed"],
	])("from a browser does not set %j", async (name) => {
		const data = { [name]: "x", plan: "pro" };
		for (const make of both)
			expect((await deliver([make(data)])).requests).toEqual([event({ update: { plan: "pro" } })]);
		const track = { type: "track", name: "viewitem", data };
		expect((await deliver([stored(track)])).requests).toEqual([event({ viewitem: { plan: "pro" } })]);
		expect((await deliver([stored(track, true)])).requests).toEqual([event({ viewitem: data })]);
	});

	test("from a browser has no names with `$` or `.`, however deep in an event's data, and counts them", () => {
		const items = [{ id: 1, quantity: 2, "price.net": 1, size: { $gt: 0, eu: 42 } }];
		const data = {
			orderId: "A-1",
			items,
			more: { "＄set": { plan: "pro" }, list: [[{ "a.b": 1 }]], email: "e" },
			$x: 1,
		};
		const plan = vibetrace.plan([stored({ type: "confirmation", data })], {}, now);
		const cleaned = [{ id: 1, quantity: 2, size: { eu: 42 } }];
		expect(sent(plan)).toEqual(
			event({ confirmation: { orderId: "A-1", items: cleaned, more: { list: [[{}]], email: "e" } } }),
		);
		expect(plan).toMatchObject({ leftOut: 5 });
		expect(sent(vibetrace.plan([stored({ type: "confirmation", data }, true)], {}, now))).toEqual(
			event({ confirmation: data }),
		);
	});

	test("from a trusted sender sets every attribute", async () => {
		for (const make of both) {
			expect((await deliver([make({ ...privileged, plan: "pro" }, true)])).requests).toEqual([
				event({ update: { ...privileged, plan: "pro" } }),
			]);
		}
	});

	test("from a browser sets no such attribute when merged with a trusted update", async () => {
		const lane = await deliver([login({ isSubscribed: true }, true), update({ isSubscribed: false, plan: "pro" })]);
		expect(lane.requests).toEqual([event({ update: { isSubscribed: true, plan: "pro" } }, 2)]);
	});

	test("is merged with the updates directly after it, later values winning", async () => {
		const lane = await deliver([login({ phone: "1", plan: "free" }), update({ plan: "pro" }), update({ phone: "2" })]);
		expect(lane.requests).toEqual([event({ update: { phone: "2", plan: "pro" } }, 3)]);
	});

	test("is not merged with updates after another event", async () => {
		const lane = await deliver([update({ plan: "free" }), track("upgraded"), update({ plan: "pro" })]);
		expect(lane.requests).toEqual([
			event({ update: { plan: "free" } }),
			event(generic("upgraded")),
			event({ update: { plan: "pro" } }),
		]);
	});

	test("does not send what a later update unsets", async () => {
		const { requests, leftOut } = await deliver([login({ plan: "pro", seats: 1 }), update({ plan: null })]);
		expect([requests, leftOut]).toEqual([[event({ update: { seats: 1 } }, 2)], 1]);
	});

	test("with a name that Vibetrace refuses is sent once more without it", async () => {
		const reply = ({ body }: Sent): Reply =>
			JSON.stringify(body).includes("planName") ? [400, { errors: [{ message: "Invalid data format" }] }] : done;
		const { requests, ends, leftOut } = await deliver([login({ planName: "pro", seats: 1 })], {}, now, reply);
		expect(requests.at(-1)).toEqual(event({ update: { seats: 1 } }));
		expect([requests.length, ends, leftOut]).toEqual([2, ["delivered"], 1]);
	});

	test("with a refused attribute becomes a dead letter without costing its neighbours", async () => {
		const events = [login({ a: 1 }), update({ plan: "bad" }), update({ b: 2 })];
		const lane = await deliver(events, {}, now, ({ body }) =>
			JSON.stringify(body).includes("bad") ? [400, { errors: [{ message: "Invalid" }] }] : done,
		);
		expect(lane.ends).toEqual(["delivered", "dead: Invalid", "delivered"]);
	});

	test("is not merged with an update of another _id with the same e-mail", async () => {
		const updateOf = (vibetrace: string, plan: string) =>
			stored({ type: "update", person: { ...ada, ids: { vibetrace } }, data: { plan } });
		expect((await deliver([updateOf("v-1", "free"), updateOf("v-2", "pro")])).requests).toEqual([
			event({ update: { plan: "free" } }, 1, { _id: "v-1" }),
			event({ update: { plan: "pro" } }, 1, { _id: "v-2" }),
		]);
	});

	test("leaves out values that were already sent within 30 days", async () => {
		const { known } = await deliver([login({ plan: "pro", seats: 1 }), track("x")]);
		expect((await deliver([login({ plan: "pro", seats: 1 })], known)).requests).toEqual([]);
		expect((await deliver([login({ plan: "pro", seats: 2 })], known)).requests).toEqual([
			event({ update: { seats: 2 } }),
		]);
		expect((await deliver([login({ plan: "pro" })], known, now + 30 * day - 1)).requests).toEqual([]);
		expect((await deliver([login({ plan: "pro" })], known, now + 30 * day)).requests).toEqual([
			event({ update: { plan: "pro" } }),
		]);
	});
});

describe("a person who does not exist at Vibetrace", async () => {
	const missing = await afterMissing();
	/** Simulates Vibetrace without any people. A created person stays only if `lasting`. */
	const empty = (lasting = true) => {
		let isThere = false;
		return ({ method }: Sent) => {
			if (method === "PUT") isThere = lasting;
			return method === "PUT" || isThere ? done : nobody;
		};
	};

	test("is created without attributes about consent, then sent the event again", async () => {
		expect((await deliver([track("x")], missing)).requests).toEqual([upsert({}, 0), event(generic("x"))]);
	});

	test("is created once more without a name that Vibetrace refuses", async () => {
		const missing = await learn(vibetrace, login({}), [], { now });
		const reply = ({ method, body }: Sent): Reply => {
			if (method !== "PUT") return [404];
			return JSON.stringify(body).includes("planName")
				? [400, { errors: [{ message: "Error validating user attributes" }] }]
				: done;
		};
		const { requests, ends, leftOut } = await deliver([login({ planName: "pro", seats: 1 })], missing, now, reply);
		expect(requests.at(-1)).toEqual(upsert({ seats: 1 }, 1));
		expect([requests.length, ends, leftOut]).toEqual([3, ["delivered"], 1]);
	});

	test("is created with the attributes of waiting updates, which settles them", async () => {
		const lane = await deliver([login({ plan: "free", seats: 1 }), update({ plan: "pro" }), track("x")], missing);
		expect(lane.requests).toEqual([upsert({ plan: "pro", seats: 1 }, 2), event(generic("x"))]);
	});

	test("is not sent attributes again that the creation contained", async () => {
		const { known } = await deliver([login({ plan: "pro" })], missing);
		expect((await deliver([login({ plan: "pro" })], known)).requests).toEqual([]);
	});

	test("is created only after an answer that they do not exist", async () => {
		const lane = await deliver([track("x")], {}, now, empty());
		expect(lane.requests).toEqual([event(generic("x")), upsert({}, 0), event(generic("x"))]);
		expect(lane.ends).toEqual(["delivered"]);
	});

	test("has the event given up if still missing right after the creation", async () => {
		const lane = await deliver([track("x")], missing, now, empty(false));
		expect(lane.requests).toEqual([upsert({}, 0), event(generic("x"))]);
		expect(lane).toMatchObject({ ends: ["dead: unknown_person"], known: {} });
	});

	test("is created again for each event, and each event is given up on its own", async () => {
		const lane = await deliver([track("x"), track("y")], {}, now, empty(false));
		const requestsFor = (name: string) => [event(generic(name)), upsert({}, 0), event(generic(name))];
		expect(lane.requests).toEqual([...requestsFor("x"), ...requestsFor("y")]);
	});

	test("is created again if deleted after a login that the creation had settled", async () => {
		const { known, requests } = await deliver([login({ name: "Ada" })], missing);
		expect(requests).toEqual([upsert({ name: "Ada" }, 1)]);
		const lane = await deliver([track("y")], known, now + day, empty());
		expect(lane.ends).toEqual(["delivered"]);
		expect(lane.requests).toContainEqual(upsert({}, 0));
	});

	test("is sent all attributes again after having been deleted", async () => {
		const { known } = await deliver([login({ plan: "pro" })]);
		const after = await deliver([track("x")], known, now, empty());
		expect((await deliver([login({ plan: "pro" })], after.known)).requests).toEqual([
			event({ update: { plan: "pro" } }),
		]);
	});

	test("cannot be created without an e-mail, so the event is given up and nothing remembered", async () => {
		const lane = await deliver([track("x", { userId: "u-1", ids: { vibetrace: "v-1" } })], {}, now, empty());
		expect(lane).toMatchObject({ ends: ["dead: unknown_person"], known: {} });
		expect(lane.requests).toHaveLength(1);
	});

	test("under one _id is still tried under another one given later", async () => {
		const person = (vibetrace: string) => ({ ...ada, ids: { vibetrace } });
		const plan = vibetrace.plan([track("x", person("v-2"))], await afterMissing(person("v-1")), now);
		expect(sent(plan)).toEqual(event(generic("x"), 1, { _id: "v-2" }));
	});

	test("under a given _id is addressed by e-mail from then on", async () => {
		const x = track("x", { ...ada, ids: { vibetrace: "v-1" } });
		const lane = await deliver([x, x], {}, now, ({ body }) => (JSON.stringify(body).includes("v-1") ? nobody : done));
		expect(lane.requests).toEqual([event(generic("x"), 1, { _id: "v-1" }), event(generic("x")), event(generic("x"))]);
	});

	test("is not inferred from a refusal of attributes", async () => {
		const invalid: Reply = [400, { errors: [{ message: "Error validating user attributes" }] }];
		const lane = await deliver([login({ plan: "bad" }), track("x")], {}, now, ({ body }) =>
			JSON.stringify(body).includes("bad") ? invalid : done,
		);
		expect(lane.ends).toEqual(["dead: Error validating user attributes", "delivered"]);
		expect(lane.requests).toEqual([event({ update: { plan: "bad" } }), event(generic("x"))]);
	});

	test("costs no request for an update without attributes", async () => {
		expect((await deliver([login({})], missing)).requests).toEqual([]);
	});

	test.each(creations)("with createPeople %s and trusted %s is %s", (createPeople, trusted, planned) => {
		const plan = provider({ createPeople }).plan([stored({ type: "track", name: "x" }, trusted)], missing, now);
		expect(plan).toMatchObject(creationPlans[planned]);
	});

	test("is not asked for again within an hour if they may not be created", () => {
		const never = provider({ createPeople: "never" });
		expect(never.plan([track("x")], missing, now + hour - 1).kind).toBe("discard");
		expect(never.plan([track("x")], missing, now + hour)).toMatchObject({ request: { purpose: "event" } });
	});
});

test("the allowance is ten requests a second, as Vibetrace documents no limit", () => {
	expect(vibetrace.allowance).toEqual({ requests: 10, per: "second" });
});
