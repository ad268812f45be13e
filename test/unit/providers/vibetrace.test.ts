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

/** Delivers a lane to Vibetrace, which takes everything unless told otherwise. */
const deliver = (events: StoredEvent[], known: Known = {}, at = now, replies: (request: Sent) => Reply = taken) =>
	deliverLane(vibetrace, events, replies, { known, now: at });
/** What is known of a person after the answer that nobody is there. */
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
		["one of our own is generic, twice", { type: "track", name: "my_event" }, generic("my_event")],
		[
			"its data stands beside its name",
			{ type: "track", name: "my_event", data: { firstname: "alexandru", a: { b: [1] } } },
			generic("my_event", { firstname: "alexandru", a: { b: [1] } }),
		],
		["its name is the track's", { type: "track", name: "mine", data: { event_name: "other" } }, generic("mine")],
		[
			"a standard event stands under its own key",
			{ type: "track", name: "viewitem", data: { itemId: 5 } },
			{ viewitem: { itemId: 5 } },
		],
		["a standard event that is not configured is generic", { type: "track", name: "search" }, generic("search")],
		["a name every object has is generic", { type: "track", name: "toString" }, generic("toString")],
		["a name of one of Vibetrace's other types is generic", { type: "track", name: "update" }, generic("update")],
		["a login that is tracked is generic", { type: "track", name: "login" }, generic("login")],
		["a confirmation that is tracked is generic", { type: "track", name: "confirmation" }, generic("confirmation")],
		["a colour is Crisp's alone", { type: "track", name: "x", color: "red" }, generic("x")],
		[
			"a confirmation is one, with its order",
			{ type: "confirmation", data: { orderId: "A-1", total: 9.5, items: [{ id: 1, quantity: 2 }] } },
			{ confirmation: { orderId: "A-1", total: 9.5, items: [{ id: 1, quantity: 2 }] } },
		],
		[
			"an opened e-mail is generic",
			{ type: "email_open", data: { campaign: "c" } },
			generic("email_open", { campaign: "c" }),
		],
		[
			"a page has its address and title",
			{ type: "page", context: { url: "https://shop.example/a", title: "A" } },
			generic("page", { url: "https://shop.example/a", title: "A" }),
		],
		["a page may have neither", { type: "page" }, generic("page")],
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
	] as const)("occurredAt %s, %d ms after its capture: %s", (occurredAt, ms, stamped) => {
		const late = stored({ type: "track", name: "x", at: now - ms });
		const time = { occurred_at: new Date(now - ms).toISOString() };
		expect(sent(provider({ occurredAt }).plan([late], {}, now))).toEqual(event(generic("x", stamped ? time : {})));
	});

	test.each(["a/b", "..", "%2e%2e", "#", "?", "🛒", '"quotes"', "<b>", "$set", "a.b"])("may be called %j", (name) =>
		expect(sent(vibetrace.plan([track(name)], {}, now))).toEqual(event(generic(name))),
	);
});

describe("a person", () => {
	test.each<[string, Person, object | undefined]>([
		["is the e-mail", ada, ada],
		["is the e-mail where there is a userId as well", { ...ada, userId: "u-1" }, ada],
		["is the _id where it is given", { ...ada, ids: { vibetrace: "v-1" } }, { _id: "v-1" }],
		["may be an _id without an e-mail", { userId: "u-1", ids: { vibetrace: "v-1" } }, { _id: "v-1" }],
		["is not another provider's id", { ...ada, ids: { crisp: "p", helpcrunch: 7 } }, ada],
		["cannot be a userId", { userId: "u-1" }, undefined],
	])("%s", (_, person, user) => {
		expect(vibetrace.addresses(person)).toBe(user !== undefined);
		if (user) expect(sent(vibetrace.plan([track("x", person)], {}, now))).toEqual(event(generic("x"), 1, user));
	});

	test.each(["a/b@x", "../..@x", "%2e%2e@x", "a#b@x", "a?upsert=false@x", "🛒@x", '"ab"@x'])(
		"with the e-mail %j is one whole path segment when created",
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
		["leaves out what is no scalar", { tags: ["a"], plan: "pro" }, [event({ update: { plan: "pro" } })]],
		["without attributes costs no request", {}, []],
		["with nothing that fits costs no request", { tags: ["a"], more: null }, []],
	])("%s", async (_, attributes, requests) => {
		for (const make of both) expect((await deliver([make(attributes)])).requests).toEqual(requests);
	});

	const privileged = { email: "eve@example.com", _id: "v-2", isSubscribed: true, unsubscribed: false };

	test("from a browser sets nothing that decides identity or consent", async () => {
		for (const make of both) {
			expect((await deliver([make({ ...privileged, plan: "pro" })])).requests).toEqual([
				event({ update: { plan: "pro" } }),
			]);
			expect(vibetrace.plan([make({ ...privileged, plan: "pro" })], {}, now)).toMatchObject({ leftOut: 4 });
			expect((await deliver([make(privileged)])).requests).toEqual([]);
		}
	});

	test("from a browser sets no such thing by creating its person either", async () => {
		const lane = await deliver([login({ ...privileged, plan: "pro" })], await afterMissing());
		expect(lane.requests).toEqual([upsert({ plan: "pro" }, 1)]);
	});

	test("from a browser sets no such thing by the data of an event", async () => {
		const fields = { type: "track", name: "viewitem", data: { ...privileged, itemId: "i" } };
		expect((await deliver([stored(fields)])).requests).toEqual([event({ viewitem: { itemId: "i" } })]);
		expect((await deliver([stored(fields, true)])).requests).toEqual([
			event({ viewitem: { ...privileged, itemId: "i" } }),
		]);
	});

	test("that is trusted sets everything", async () => {
		for (const make of both) {
			expect((await deliver([make({ ...privileged, plan: "pro" }, true)])).requests).toEqual([
				event({ update: { ...privileged, plan: "pro" } }),
			]);
		}
	});

	test("from a browser gains nothing by standing beside a trusted one", async () => {
		const lane = await deliver([login({ isSubscribed: true }, true), update({ isSubscribed: false, plan: "pro" })]);
		expect(lane.requests).toEqual([event({ update: { isSubscribed: true, plan: "pro" } }, 2)]);
	});

	test("is one with those that follow it at once, later values winning", async () => {
		const lane = await deliver([login({ phone: "1", plan: "free" }), update({ plan: "pro" }), update({ phone: "2" })]);
		expect(lane.requests).toEqual([event({ update: { phone: "2", plan: "pro" } }, 3)]);
	});

	test("is not one with those after another event", async () => {
		const lane = await deliver([update({ plan: "free" }), track("upgraded"), update({ plan: "pro" })]);
		expect(lane.requests).toEqual([
			event({ update: { plan: "free" } }),
			event(generic("upgraded")),
			event({ update: { plan: "pro" } }),
		]);
	});

	test("with an attribute that is refused costs those beside it nothing", async () => {
		const events = [login({ a: 1 }), update({ plan: "bad" }), update({ b: 2 })];
		const lane = await deliver(events, {}, now, ({ body }) =>
			JSON.stringify(body).includes("bad") ? [400, { errors: [{ message: "Invalid" }] }] : done,
		);
		expect(lane.ends).toEqual(["delivered", "dead: Invalid", "delivered"]);
	});

	test("has no part in what is said of another _id of the same e-mail", async () => {
		const of = (vibetrace: string, plan: string) =>
			stored({ type: "update", person: { ...ada, ids: { vibetrace } }, data: { plan } });
		expect((await deliver([of("v-1", "free"), of("v-2", "pro")])).requests).toEqual([
			event({ update: { plan: "free" } }, 1, { _id: "v-1" }),
			event({ update: { plan: "pro" } }, 1, { _id: "v-2" }),
		]);
	});

	test("leaves out what was last sent with the same value, for 30 days", async () => {
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

describe("a person who is not there", async () => {
	const missing = await afterMissing();
	/** Vibetrace has nobody who was not created, and has who was if `lasting`. */
	const empty = (lasting = true) => {
		let isThere = false;
		return ({ method }: Sent) => {
			if (method === "PUT") isThere = lasting;
			return method === "PUT" || isThere ? done : nobody;
		};
	};

	test("is created, without a word on consent, and sent the event again", async () => {
		expect((await deliver([track("x")], missing)).requests).toEqual([upsert({}, 0), event(generic("x"))]);
	});

	test("is created with the attributes of the updates that wait, which settles them", async () => {
		const lane = await deliver([login({ plan: "free", seats: 1 }), update({ plan: "pro" }), track("x")], missing);
		expect(lane.requests).toEqual([upsert({ plan: "pro", seats: 1 }, 2), event(generic("x"))]);
	});

	test("and was created with attributes is not sent them again", async () => {
		const { known } = await deliver([login({ plan: "pro" })], missing);
		expect((await deliver([login({ plan: "pro" })], known)).requests).toEqual([]);
	});

	test("is created only once the answer was that nobody is there", async () => {
		const lane = await deliver([track("x")], {}, now, empty());
		expect(lane.requests).toEqual([event(generic("x")), upsert({}, 0), event(generic("x"))]);
		expect(lane.ends).toEqual(["delivered"]);
	});

	test("is given up when just created and still not there", async () => {
		const lane = await deliver([track("x")], missing, now, empty(false));
		expect(lane.requests).toEqual([upsert({}, 0), event(generic("x"))]);
		expect(lane).toMatchObject({ ends: ["dead: unknown_person"], known: {} });
	});

	test("is created again for another event, each giving up for itself", async () => {
		const lane = await deliver([track("x"), track("y")], {}, now, empty(false));
		const each = (name: string) => [event(generic(name)), upsert({}, 0), event(generic(name))];
		expect(lane.requests).toEqual([...each("x"), ...each("y")]);
	});

	test("is created again when deleted long after a login that the creation had settled", async () => {
		const { known, requests } = await deliver([login({ name: "Ada" })], missing);
		expect(requests).toEqual([upsert({ name: "Ada" }, 1)]);
		const lane = await deliver([track("y")], known, now + day, empty());
		expect(lane.ends).toEqual(["delivered"]);
		expect(lane.requests).toContainEqual(upsert({}, 0));
	});

	test("and was deleted is told again all that they had been told", async () => {
		const { known } = await deliver([login({ plan: "pro" })]);
		const after = await deliver([track("x")], known, now, empty());
		expect((await deliver([login({ plan: "pro" })], after.known)).requests).toEqual([
			event({ update: { plan: "pro" } }),
		]);
	});

	test("and cannot be created, having no e-mail, is given up, and nothing is remembered", async () => {
		const lane = await deliver([track("x", { userId: "u-1", ids: { vibetrace: "v-1" } })], {}, now, empty());
		expect(lane).toMatchObject({ ends: ["dead: unknown_person"], known: {} });
		expect(lane.requests).toHaveLength(1);
	});

	test("under one _id may be under another that is given later", async () => {
		const person = (vibetrace: string) => ({ ...ada, ids: { vibetrace } });
		const plan = vibetrace.plan([track("x", person("v-2"))], await afterMissing(person("v-1")), now);
		expect(sent(plan)).toEqual(event(generic("x"), 1, { _id: "v-2" }));
	});

	test("under the given _id is not sent the event under that again", async () => {
		const x = track("x", { ...ada, ids: { vibetrace: "v-1" } });
		const lane = await deliver([x, x], {}, now, ({ body }) => (JSON.stringify(body).includes("v-1") ? nobody : done));
		expect(lane.requests).toEqual([event(generic("x"), 1, { _id: "v-1" }), event(generic("x")), event(generic("x"))]);
	});

	test("is not one whose attributes are refused", async () => {
		const invalid: Reply = [400, { errors: [{ message: "Error validating user attributes" }] }];
		const lane = await deliver([login({ plan: "bad" }), track("x")], {}, now, ({ body }) =>
			JSON.stringify(body).includes("bad") ? invalid : done,
		);
		expect(lane.ends).toEqual(["dead: Error validating user attributes", "delivered"]);
		expect(lane.requests).toEqual([event({ update: { plan: "bad" } }), event(generic("x"))]);
	});

	test("costs no request for an update that has nothing to say", async () => {
		expect((await deliver([login({})], missing)).requests).toEqual([]);
	});

	test.each(creations)("createPeople %s, trusted %s: %s", (createPeople, trusted, planned) => {
		const plan = provider({ createPeople }).plan([stored({ type: "track", name: "x" }, trusted)], missing, now);
		expect(plan).toMatchObject(creationPlans[planned]);
	});

	test("and may not be created is not asked for again within the hour", () => {
		const never = provider({ createPeople: "never" });
		expect(never.plan([track("x")], missing, now + hour - 1).kind).toBe("discard");
		expect(never.plan([track("x")], missing, now + hour)).toMatchObject({ request: { purpose: "event" } });
	});
});

test("no limit is documented: ten requests a second", () => {
	expect(vibetrace.allowance).toEqual({ requests: 10, per: "second" });
});
