import { describe, expect, test } from "vitest";
import type { HelpCrunchConfig } from "../../../server/providers/helpcrunch/options.ts";
import type { Known } from "../../../server/providers/provider.ts";
import { createProvider } from "../../../server/providers/registry.ts";
import type { StoredEvent } from "../../../server/stored-event.ts";
import { eventSchema, type Person } from "../../../shared/event.ts";
import { creationPlans, creations, deliverLane, learn, type Reply, type Sent, sent } from "./lane.ts";

const now = Date.UTC(2026, 10, 23, 12);
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const ada = { email: "ada@example.com", userId: "u-1" };

const provider = (options: Partial<HelpCrunchConfig> = {}) =>
	createProvider("helpcrunch", {
		apiKey: "key",
		baseUrl: "https://helpcrunch.invalid/v1",
		createPeople: "always",
		occurredAt: "late",
		...options,
	});
const helpcrunch = provider();

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
	return { event, trusted, receivedAt: now };
}
const track = (name: string, person: Person = ada) => stored({ type: "track", name, person });
const login = (data: Record<string, unknown>, person: Person = ada) => stored({ type: "login", data, person });
const update = (data: Record<string, unknown>) => stored({ type: "update", data });

interface Customer {
	id: number;
	email?: string;
	userId?: string | null;
}
const gone: Reply = [404, { errors: [{ code: "not_found", message: "Customer not found" }] }];

/** Simulates HelpCrunch with these customers: answers searches, creations, events and updates. */
function having(...customers: Customer[]) {
	return ({ method, path, body }: Sent): Reply => {
		if (path === "customers/search") {
			const [{ field, value }] = body.filter as [{ field: string; value: string }];
			const key = field === "customers.email" ? "email" : "userId";
			return [200, { data: customers.filter((customer) => customer[key] === value) }];
		}
		if (path === "customers") {
			const created = { ...body, id: 7 + customers.length };
			customers.push(created);
			return [201, created];
		}
		const id = method !== "POST" ? Number(path.split("/")[1]) : body.customer;
		return customers.some((customer) => customer.id === id) ? [200, {}] : gone;
	};
}

/** Delivers a lane to HelpCrunch, where Ada is customer 7 by default. */
const deliver = (
	events: StoredEvent[],
	known: Known = found,
	at = now,
	replies = having({ id: 7, ...ada }, { id: 9 }),
) => deliverLane(helpcrunch, events, replies, { known, now: at });

/** Knowledge of Ada once her events have reached customer 7. */
const found = await learn(helpcrunch, track("before"), [[200, { data: [{ id: 7, ...ada }] }], [200]], { now });
/** Resolves to the knowledge of a person who was searched and not found. */
const afterMissing = ({ email, userId }: Person) => {
	const nobody: Reply[] = [email, userId].filter((address) => address !== undefined).map(() => [200, { data: [] }]);
	return learn(helpcrunch, track("before", { ...(email && { email }), ...(userId && { userId }) }), nobody, { now });
};

const tagged = (tags: string[], settles: number) => ({
	method: "PUT",
	path: "customers/7/tags",
	body: { tags: tags.map((name) => ({ name })) },
	settles,
});
const event = (body: object, customer = 7) => ({
	method: "POST",
	path: "events",
	body: { customer, ...body },
	settles: 1,
});
const patch = (body: unknown, settles: number, customer = 7) => ({
	method: "PATCH",
	path: `customers/${customer}`,
	body,
	settles,
});
const search = (field: string, value: string) => ({
	method: "POST",
	path: "customers/search",
	body: { filter: [{ field: `customers.${field}`, operator: "=", value }], limit: 100, offset: 0 },
	settles: 0,
});
const creation = (body: unknown) => ({ method: "POST", path: "customers", body, settles: 0 });
const custom = (attributes: Record<string, unknown>) => ({
	customData: Object.entries(attributes).map(([property, value]) => ({ property, value })),
});

describe("an event", () => {
	test.each<[string, Fields, object]>([
		["a name stays the name", { type: "track", name: "opened" }, { name: "opened" }],
		[
			"data is sent along",
			{ type: "track", name: "x", data: { a: { b: [1] } } },
			{ name: "x", data: { a: { b: [1] } } },
		],
		["empty data is left out", { type: "track", name: "x", data: {} }, { name: "x" }],
		["a colour, which only Crisp knows, is left out", { type: "track", name: "x", color: "red" }, { name: "x" }],
		[
			"a confirmation is named confirmation",
			{ type: "confirmation", data: { orderId: "A-1", total: 9.5, items: [{ id: 1, quantity: 2 }] } },
			{ name: "confirmation", data: { orderId: "A-1", total: 9.5, items: [{ id: 1, quantity: 2 }] } },
		],
		["an opened e-mail is named email_open", { type: "email_open" }, { name: "email_open" }],
		[
			"a page carries its URL and title",
			{ type: "page", context: { url: "https://shop.example/a", title: "A" } },
			{ name: "page", data: { url: "https://shop.example/a", title: "A" } },
		],
		["a page without context has no data", { type: "page" }, { name: "page" }],
	])("%s", (_, fields, body) => {
		const plan = helpcrunch.plan([stored(fields)], found, now);
		expect(sent(plan)).toEqual(event(body));
		expect(plan).toMatchObject({ covers: 1 });
	});

	test("is never merged with the next", async () => {
		expect((await deliver([track("a"), track("a")])).requests).toEqual([event({ name: "a" }), event({ name: "a" })]);
	});

	test.each([
		["late", minute, false],
		["late", minute + 1, true],
		["always", 0, true],
		["never", day, false],
	] as const)("with occurredAt %s, sent %d ms after its capture, carries its time: %s", (occurredAt, ms, stamped) => {
		const late = stored({ type: "track", name: "x", at: now - ms });
		const time = { occurred_at: new Date(now - ms).toISOString() };
		const plan = provider({ occurredAt }).plan([late], found, now);
		expect(sent(plan).body).toEqual({ customer: 7, name: "x", ...(stamped && { data: time }) });
	});

	test.each(["a/b", "..", "%2e%2e", "#", "?", "🛒", '"quotes"', "<b>", "constructor"])("may have the name %j", (name) =>
		expect(sent(helpcrunch.plan([track(name)], found, now)).body).toEqual({ customer: 7, name }),
	);
});

describe("a person", () => {
	test.each<[string, Person, unknown]>([
		["is looked up by userId", ada, search("userId", "u-1")],
		["is looked up by e-mail if there is no userId", { email: "ada@example.com" }, search("email", "ada@example.com")],
		["may have a userId alone", { userId: "u-1" }, search("userId", "u-1")],
		["needs no look-up if the id is given", { ...ada, ids: { helpcrunch: 9 } }, event({ name: "x" }, 9)],
		[
			"is not identified by another provider's id",
			{ ...ada, ids: { crisp: "p", vibetrace: "v" } },
			search("userId", "u-1"),
		],
	])("%s", (_, person, request) => {
		expect(helpcrunch.addresses(person)).toBe(true);
		expect(sent(helpcrunch.plan([track("x", person)], {}, now))).toEqual(request);
	});

	test("is not looked up again once found", async () => {
		expect((await deliver([track("a"), login({ plan: "pro" }), track("b")], {})).requests).toEqual([
			search("userId", "u-1"),
			event({ name: "a" }),
			patch(custom({ plan: "pro" }), 1),
			event({ name: "b" }),
		]);
	});

	test("not found by userId is looked up by e-mail, then created", async () => {
		expect((await deliver([track("x")], {}, now, having())).requests).toEqual([
			search("userId", "u-1"),
			search("email", "ada@example.com"),
			creation(ada),
			event({ name: "x" }),
		]);
	});

	test("not found by userId is created if there is no e-mail", async () => {
		const lane = await deliver([track("x", { userId: "u-1" })], {}, now, having());
		expect(lane.requests).toEqual([search("userId", "u-1"), creation({ userId: "u-1" }), event({ name: "x" })]);
	});

	test("is not the customer found for another userId with the same e-mail", async () => {
		const { known } = await deliver([track("x", { ...ada, userId: "mallory" })], {});
		expect(sent(helpcrunch.plan([track("x", ada)], known, now))).not.toEqual(event({ name: "x" }));
	});

	test("with another userId is another person, even with the same e-mail", async () => {
		const mallory = { ...ada, userId: "mallory" };
		const events = [login({ plan: "pro" }), login({ plan: "free" }, mallory), track("x", { email: ada.email })];
		const { requests, ends } = await deliver(events, {}, now, having({ id: 7, ...ada }));
		expect(ends).toEqual(["delivered", "delivered", "delivered"]);
		expect(requests).toEqual([
			search("userId", "u-1"),
			patch(custom({ plan: "pro" }), 1),
			search("userId", "mallory"),
			search("email", "ada@example.com"),
			creation({ ...mallory, ...custom({ plan: "free" }) }),
			search("email", "ada@example.com"),
			event({ name: "x" }),
		]);
	});

	test("may exist even if another userId with the same e-mail does not", async () => {
		const never = provider({ createPeople: "never" });
		const lane = [track("x", { ...ada, userId: "mallory" }), track("y", { email: ada.email })];
		const { ends } = await deliverLane(never, lane, having({ id: 7, ...ada }), { now });
		expect(ends).toEqual(["discarded: unknown_person", "delivered"]);
	});

	test.each<[string, object]>([
		["without any userId", { id: 50, userId: null, email: null }],
		["of another userId", { id: 50, userId: "u-9" }],
	])("is not a customer %s whom a search returns without regard to its filter", async (_, other) => {
		const everybody = having({ id: 50 });
		const lane = await deliver([track("x")], {}, now, (request) =>
			request.path.endsWith("/search") ? [200, { data: [other] }] : everybody(request),
		);
		expect(lane.requests.slice(-2)).toEqual([creation(ada), event({ name: "x" }, 8)]);
	});

	test("is remembered not to exist, for several userIds of one e-mail", async () => {
		const never = provider({ createPeople: "never" });
		const people = ["u-1", "u-2", "u-3"].map((userId) => track("x", { ...ada, userId }));
		const { requests } = await deliverLane(never, [...people, ...people], having(), { now });
		expect(requests).toHaveLength(6);
	});

	test.each(["a/b", "..", "%2e%2e", "#", "?", "🛒", '"', "'", "*", "~"])("may have the userId %j", async (userId) => {
		expect(sent(helpcrunch.plan([track("x", { userId })], {}, now))).toEqual(search("userId", userId));
		const missing = await afterMissing({ userId });
		expect(sent(helpcrunch.plan([track("x", { userId })], missing, now))).toEqual(creation({ userId }));
	});
});

describe("a login or update", async () => {
	test.each<[string, Record<string, unknown>, unknown[]]>([
		["a name stays the name", { name: "Ada" }, [patch({ name: "Ada" }, 1)]],
		["first and last name become the name", { firstname: "Ada", lastname: "L." }, [patch({ name: "Ada L." }, 1)]],
		[
			"the customer's fields and custom data fit in one request",
			{ name: "Ada", phone: 1, company: "AE", locale: "en", plan: "pro", seats: 3, paid: false },
			[
				patch(
					{ name: "Ada", phone: "1", company: "AE", locale: "en", ...custom({ plan: "pro", seats: 3, paid: false }) },
					1,
				),
			],
		],
		[
			"attributes named like fields of HelpCrunch's API are custom data",
			{ email: "eve@example.com", userId: "u-2", unsubscribed: false, blocked: true, notes: "x", customData: "y" },
			[
				patch(
					custom({
						email: "eve@example.com",
						userId: "u-2",
						unsubscribed: false,
						blocked: true,
						notes: "x",
						customData: "y",
					}),
					1,
				),
			],
		],
		[
			"an attribute named like a nested field is custom data",
			{ "customData.name": "x" },
			[patch(custom({ "customData.name": "x" }), 1)],
		],
		[
			"a value that is not a scalar is left out",
			{ list: ["a"], segments: ["b"], plan: "pro" },
			[patch(custom({ plan: "pro" }), 1)],
		],
		["without attributes costs no request", {}, []],
		["without usable attributes costs no request", { segments: ["a"], tags: "vip", more: {} }, []],
		[
			"null clears a field",
			{ name: null, phone: null, locale: null, plan: null, seats: 1 },
			[patch({ name: null, phone: null, locale: null, ...custom({ plan: null, seats: 1 }) }, 1)],
		],
		["tags are added", { tags: ["vip", "new"] }, [tagged(["vip", "new"], 1)]],
		[
			"tags are added before the rest",
			{ tags: ["vip"], plan: "pro" },
			[tagged(["vip"], 0), patch(custom({ plan: "pro" }), 1)],
		],
	])("%s", async (_, attributes, requests) => {
		expect((await deliver([login(attributes)])).requests).toEqual(requests);
		expect((await deliver([update(attributes)])).requests).toEqual(requests);
	});

	test.each<[string, Known]>([
		["of whom nothing is known", {}],
		["who was not found by userId", await learn(helpcrunch, track("x"), [[200, { data: [] }]], { now })],
		["who does not exist", await afterMissing(ada)],
	])("without attributes costs no request for a person %s", async (_, known) => {
		expect((await deliver([login({})], known)).requests).toEqual([]);
	});

	test("is merged with the updates directly after it, later values winning", async () => {
		const lane = await deliver([login({ phone: "1", plan: "free" }), update({ plan: "pro" }), update({ phone: "2" })]);
		expect(lane.requests).toEqual([patch({ phone: "2", ...custom({ plan: "pro" }) }, 3)]);
	});

	test("is not merged with updates after another event", async () => {
		const lane = await deliver([update({ plan: "free" }), track("upgraded"), update({ plan: "pro" })]);
		expect(lane.requests).toEqual([
			patch(custom({ plan: "free" }), 1),
			event({ name: "upgraded" }),
			patch(custom({ plan: "pro" }), 1),
		]);
	});

	test("leaves out values that were already sent within 30 days", async () => {
		const { known } = await deliver([login({ phone: "1", plan: "pro" })]);
		expect((await deliver([login({ phone: "1", plan: "pro" })], known)).requests).toEqual([]);
		expect((await deliver([login({ phone: "1", plan: "max" })], known)).requests).toEqual([
			patch(custom({ plan: "max" }), 1),
		]);
		expect((await deliver([login({ phone: "1" })], known, now + 30 * day - 1)).requests).toEqual([]);
		expect((await deliver([login({ phone: "1" })], known, now + 30 * day)).requests).toEqual([
			patch({ phone: "1" }, 1),
		]);
	});

	test("leaves out no value that was only sent to another customer", async () => {
		const { known } = await deliver([login({ plan: "pro" })]);
		const other = login({ plan: "pro" }, { ...ada, ids: { helpcrunch: 9 } });
		expect((await deliver([other], known)).requests).toEqual([patch(custom({ plan: "pro" }), 1, 9)]);
	});

	test("adds each tag once in 30 days", async () => {
		const { known } = await deliver([login({ tags: ["vip"] }), update({ tags: ["vip", "b"] })]);
		expect((await deliver([login({ tags: ["b", "vip"] })], known)).requests).toEqual([]);
		expect((await deliver([login({ tags: ["c", "vip"] })], known)).requests).toEqual([tagged(["c"], 1)]);
	});

	test.each(["customData[1].property", "customData.1.value"])(
		"with an attribute that HelpCrunch refuses as %s is sent once more without it",
		async (code) => {
			const reply = ({ body }: Sent): Reply =>
				JSON.stringify(body).includes("undeclared")
					? [
							400,
							{
								errors: [
									{ code: "invalid_request", message: "Invalid" },
									{ code, message: "This is not right." },
								],
							},
						]
					: [200, { id: 7 }];
			const attributes = { planName: "pro", undeclared: 1, phone: "1" };
			const first = await deliver([login(attributes), track("x")], found, now, reply);
			expect(first.requests.slice(1)).toEqual([
				patch({ phone: "1", ...custom({ planName: "pro" }) }, 1),
				event({ name: "x" }),
			]);
			expect(first).toMatchObject({ ends: ["delivered", "delivered"], leftOut: 1 });
			expect((await deliver([login(attributes)], first.known, now, reply)).requests).toEqual([]);
		},
	);

	test("counts attributes left out", () => {
		expect(helpcrunch.plan([login({ plan: "pro", tags: [7], more: {} })], found, now)).toMatchObject({ leftOut: 2 });
		expect(helpcrunch.plan([login({ tags: {} })], found, now)).toEqual({ kind: "done", settles: 1, leftOut: 1 });
	});
});

describe("a person who does not exist at HelpCrunch", async () => {
	const missing = await afterMissing(ada);
	const refused: Reply = [400, { errors: [{ code: "phone", message: "This value is too long." }] }];
	const isCreation = ({ method, path }: Sent) => method === "POST" && path === "customers";

	test.each<[string, Person, object]>([
		["e-mail and userId", ada, ada],
		["the e-mail alone", { email: "ada@example.com" }, { email: "ada@example.com" }],
		["the userId alone", { userId: "u-1" }, { userId: "u-1" }],
	])("is created with %s, and sent the event", async (_, person, fields) => {
		const lane = await deliver([track("x", person)], await afterMissing(person), now, having());
		expect(lane.requests).toEqual([creation(fields), event({ name: "x" })]);
	});

	test("is created with all attributes of a waiting login, which are not sent twice", async () => {
		const lane = await deliver([login({ name: "Ada", plan: "pro" }), track("x")], missing, now, having());
		expect(lane.requests).toEqual([
			creation({ ...ada, name: "Ada", ...custom({ plan: "pro" }) }),
			event({ name: "x" }),
		]);
	});

	test("is created with the name from a later login", async () => {
		const lane = await deliver([track("x"), login({ name: "Ada" })], missing, now, having());
		expect(lane).toMatchObject({ requests: [creation({ ...ada, name: "Ada" }), event({ name: "x" })] });
		expect(lane.ends).toEqual(["delivered", "delivered"]);
	});

	test("under a remembered id is looked up once more before the event is given up", async () => {
		const found8: Reply = [200, { data: [{ id: 8, ...ada }] }];
		const lane = await deliver([track("x")], found, now, ({ path }) => (path.endsWith("/search") ? found8 : gone));
		expect(lane.requests).toEqual([event({ name: "x" }), search("userId", "u-1"), event({ name: "x" }, 8)]);
		expect(lane).toMatchObject({ ends: ["dead: unknown_person"], known: {} });
	});

	test("has the event given up at once if they were just created", async () => {
		const customers = having();
		const lane = await deliver([track("x")], missing, now, (request) =>
			request.path === "events" ? gone : customers(request),
		);
		expect(lane.requests).toEqual([creation(ada), event({ name: "x" })]);
		expect(lane).toMatchObject({ ends: ["dead: unknown_person"], known: {} });
	});

	test("under a given id is looked up by userId, and that id is not tried again", async () => {
		const x = track("x", { ...ada, ids: { helpcrunch: 9 } });
		const lane = await deliver([x, x], {}, now, having({ id: 7, ...ada }));
		expect(lane.requests).toEqual([
			event({ name: "x" }, 9),
			search("userId", "u-1"),
			event({ name: "x" }),
			event({ name: "x" }),
		]);
	});

	test("is looked up again if deleted after a login that the creation had settled", async () => {
		const { known, requests } = await deliver([login({ name: "Ada" })], missing, now, having());
		expect(requests).toEqual([creation({ ...ada, name: "Ada" })]);
		const lane = await deliver([track("x")], known, now, having());
		expect(lane.ends).toEqual(["delivered"]);
		expect(lane.requests.slice(0, 2)).toEqual([event({ name: "x" }), search("userId", "u-1")]);
	});

	test("is created without attributes if refused with them, and only the refused attributes are given up", async () => {
		const customers = having();
		const lane = [login({ plan: "pro" }), update({ phone: "bad" }), update({ seats: 3 })];
		const { requests, ends } = await deliver(lane, missing, now, (request) =>
			JSON.stringify(request.body).includes("bad") ? refused : customers(request),
		);
		expect(ends).toEqual(["delivered", "dead: phone", "delivered"]);
		expect(requests.filter(isCreation)).toEqual([
			creation({ ...ada, phone: "bad", ...custom({ plan: "pro", seats: 3 }) }),
			creation(ada),
		]);
	});

	test("has the event given up with the reason for which even a bare creation was refused", async () => {
		const lane = await deliver([track("x")], missing, now, (request) =>
			isCreation(request) ? refused : [200, { data: [] }],
		);
		expect(lane.ends).toEqual(["dead: phone"]);
		expect(lane.requests.filter(isCreation)).toHaveLength(2);
	});

	test("is not created a second time if the answer to the creation cannot be read", async () => {
		const lane = await deliver([track("x")], missing, now, (request) =>
			isCreation(request) ? [201, []] : [200, { data: [] }],
		);
		expect(lane.ends).toEqual(["dead: unknown_person"]);
		expect(lane.requests.filter(isCreation)).toHaveLength(1);
		expect(lane.requests.slice(1)).toEqual([search("userId", "u-1"), search("email", "ada@example.com")]);
	});

	test.each(creations)("with createPeople %s and trusted %s is %s", (createPeople, trusted, planned) => {
		const plan = provider({ createPeople }).plan([stored({ type: "track", name: "x" }, trusted)], missing, now);
		expect(plan).toMatchObject(creationPlans[planned]);
	});

	test("is not looked up again within an hour if they may not be created", () => {
		const never = provider({ createPeople: "never" });
		expect(never.plan([track("x")], missing, now + hour - 1).kind).toBe("discard");
		expect(sent(never.plan([track("x")], missing, now + hour))).toEqual(search("userId", "u-1"));
	});

	// HelpCrunch's e-mails are not unique, so a customer who came through the chat meanwhile would get a duplicate.
	test("is looked up again before a creation if the last look-up is over an hour old", () => {
		const verified = provider({ createPeople: "verified" });
		const plan = verified.plan([stored({ type: "track", name: "x" }, true)], missing, now + hour);
		expect(sent(plan)).toEqual(search("userId", "u-1"));
	});

	test("is still sent an event that carries a customer's id if they may not be created", () => {
		const never = provider({ createPeople: "never" });
		const plan = never.plan([track("x", { ...ada, ids: { helpcrunch: 9 } })], missing, now);
		expect(sent(plan)).toEqual(event({ name: "x" }, 9));
	});
});

test("the allowance is 120 requests a minute", () => {
	expect(helpcrunch.allowance).toEqual({ requests: 120, per: "minute" });
});
