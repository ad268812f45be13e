import { describe, expect, test } from "vitest";
import type { HelpCrunchConfig } from "../../../server/config-schema.ts";
import { createHelpCrunchProvider } from "../../../server/providers/helpcrunch.ts";
import type { Known, Plan } from "../../../server/providers/provider.ts";
import type { StoredEvent } from "../../../server/stored-event.ts";
import { eventSchema, type Person } from "../../../shared/event.ts";

const now = Date.UTC(2026, 10, 23, 12);
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const ada = { email: "ada@example.com", userId: "u-1" };
/** What is known once her events have reached customer 7. */
const found = { state: "exists", id: 7 };

const provider = (options: Partial<HelpCrunchConfig> = {}) =>
	createHelpCrunchProvider({
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
	const id = "0198f1c2-7d0e-7cc3-98c4-dc0c0c07398f";
	const event = eventSchema.parse({ id, at: now, person: ada, ...fields });
	return { event, trusted, receivedAt: now };
}
const track = (name: string, person: Person = ada) => stored({ type: "track", name, person });
const login = (data: Record<string, unknown>, person: Person = ada) => stored({ type: "login", data, person });
const update = (data: Record<string, unknown>) => stored({ type: "update", data });

/** A plan's request as it will travel, and what the plan settles. */
function sent(plan: Plan) {
	if (plan.kind !== "send") throw new Error(`Planned ${JSON.stringify(plan)}, not a request`);
	const { method, path, query, body } = plan.request;
	return { ...JSON.parse(JSON.stringify({ method, path: path.join("/"), query, body })), settles: plan.settles };
}

/** Delivers a lane without ever failing, a created or found customer being 7: the requests, and what is known after. */
function deliver(events: [StoredEvent, ...StoredEvent[]], known: Known = found, at = now) {
	const requests: unknown[] = [];
	let memory = known;
	let [next, ...rest]: (StoredEvent | undefined)[] = events;
	while (next) {
		const plan = helpcrunch.plan([next, ...rest.filter((event) => event !== undefined)], memory, at);
		if (plan.kind === "refuse") throw new Error(plan.message);
		if (plan.kind === "send") {
			requests.push(sent(plan));
			const learnt = plan.settles === 0 ? { id: 7 } : {};
			memory = JSON.parse(JSON.stringify({ ...plan.request.ifDelivered, ...learnt }));
		}
		[next, ...rest] = [next, ...rest].slice(plan.settles);
	}
	return { requests, known: memory };
}

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
		["a name alone is the name alone", { type: "track", name: "opened" }, { name: "opened" }],
		["data goes along", { type: "track", name: "x", data: { a: { b: [1] } } }, { name: "x", data: { a: { b: [1] } } }],
		["empty data is left out", { type: "track", name: "x", data: {} }, { name: "x" }],
		["a colour is Crisp's alone", { type: "track", name: "x", color: "red" }, { name: "x" }],
		[
			"a confirmation is called that",
			{ type: "confirmation", data: { orderId: "A-1", total: 9.5, items: [{ id: 1, quantity: 2 }] } },
			{ name: "confirmation", data: { orderId: "A-1", total: 9.5, items: [{ id: 1, quantity: 2 }] } },
		],
		["an opened e-mail is called that", { type: "email_open" }, { name: "email_open" }],
		[
			"a page has its address and title",
			{ type: "page", context: { url: "https://shop.example/a", title: "A" } },
			{ name: "page", data: { url: "https://shop.example/a", title: "A" } },
		],
		["a page of which nothing is known has no data", { type: "page" }, { name: "page" }],
	])("%s", (_, fields, body) => {
		const plan = helpcrunch.plan([stored(fields)], found, now);
		expect(sent(plan)).toEqual(event(body));
		expect(plan).toMatchObject({ covers: 1 });
	});

	test("is never merged with the next", () => {
		expect(deliver([track("a"), track("a")]).requests).toEqual([event({ name: "a" }), event({ name: "a" })]);
	});

	test.each([
		["late", minute, false],
		["late", minute + 1, true],
		["always", 0, true],
		["never", day, false],
	] as const)("occurredAt %s, %d ms after its capture: %s", (occurredAt, ms, stamped) => {
		const late = stored({ type: "track", name: "x", at: now - ms });
		const time = { occurred_at: new Date(now - ms).toISOString() };
		const plan = provider({ occurredAt }).plan([late], found, now);
		expect(sent(plan).body).toEqual({ customer: 7, name: "x", ...(stamped && { data: time }) });
	});

	test.each(["a/b", "..", "%2e%2e", "#", "?", "🛒", '"quotes"', "<b>", "constructor"])("may be called %j", (name) =>
		expect(sent(helpcrunch.plan([track(name)], found, now)).body).toEqual({ customer: 7, name }),
	);
});

describe("a person", () => {
	test.each<[string, Person, unknown]>([
		["is looked up by userId", ada, search("userId", "u-1")],
		[
			"is looked up by e-mail where there is no userId",
			{ email: "ada@example.com" },
			search("email", "ada@example.com"),
		],
		["may be a userId alone", { userId: "u-1" }, search("userId", "u-1")],
		["needs no look-up where the id is given", { ...ada, ids: { helpcrunch: 9 } }, event({ name: "x" }, 9)],
		["is not another provider's id", { ...ada, ids: { crisp: "p", vibetrace: "v" } }, search("userId", "u-1")],
	])("%s", (_, person, request) => {
		expect(helpcrunch.addresses(person)).toBe(true);
		expect(sent(helpcrunch.plan([track("x", person)], {}, now))).toEqual(request);
	});

	test("who has been found is not looked up again", () => {
		expect(deliver([track("a"), login({ plan: "pro" }), track("b")], {}).requests).toEqual([
			search("userId", "u-1"),
			event({ name: "a" }),
			patch(custom({ plan: "pro" }), 1),
			event({ name: "b" }),
		]);
	});

	test("not found by userId is looked up by e-mail, then missing", () => {
		const byUserId = helpcrunch.plan([track("x")], {}, now);
		if (byUserId.kind !== "send") throw new Error("nothing to send");
		const byEmail = helpcrunch.plan([track("x")], byUserId.request.ifMissing ?? {}, now);
		expect(sent(byEmail)).toEqual(search("email", "ada@example.com"));
		expect(byEmail).toMatchObject({ request: { ifMissing: { state: "missing", missingAt: now } } });
	});

	test("not found by userId is missing where there is no e-mail", () => {
		const plan = helpcrunch.plan([track("x", { userId: "u-1" })], {}, now);
		expect(plan).toMatchObject({ request: { ifMissing: { state: "missing", missingAt: now } } });
	});

	test("is not the customer found for another userId with the same e-mail", () => {
		const { known } = deliver([track("x", { ...ada, userId: "mallory" })], {});
		expect(sent(helpcrunch.plan([track("x", ada)], known, now))).not.toEqual(event({ name: "x" }));
	});

	test.each(["a/b", "..", "%2e%2e", "#", "?", "🛒", '"', "'", "*", "~"])("may have the userId %j", (userId) => {
		expect(sent(helpcrunch.plan([track("x", { userId })], {}, now))).toEqual(search("userId", userId));
		expect(sent(helpcrunch.plan([track("x", { userId })], { state: "missing", missingAt: now }, now))).toEqual(
			creation({ userId }),
		);
	});
});

describe("a login or update", () => {
	test.each<[string, Record<string, unknown>, unknown[]]>([
		["a name is the name", { name: "Ada" }, [patch({ name: "Ada" }, 1)]],
		["first and last name are the name", { firstname: "Ada", lastname: "L." }, [patch({ name: "Ada L." }, 1)]],
		[
			"the customer's fields and custom data are one request",
			{ name: "Ada", phone: 1, company: "AE", locale: "en", plan: "pro", seats: 3, paid: false },
			[
				patch(
					{ name: "Ada", phone: "1", company: "AE", locale: "en", ...custom({ plan: "pro", seats: 3, paid: false }) },
					1,
				),
			],
		],
		[
			"what a key of ours could do there is plain data",
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
			"custom data is told from fields of that name",
			{ "customData.name": "x" },
			[patch(custom({ "customData.name": "x" }), 1)],
		],
		["what is no scalar is left out", { tags: ["a"], plan: "pro" }, [patch(custom({ plan: "pro" }), 1)]],
		["without attributes costs no request", {}, []],
		["with nothing that fits costs no request", { tags: ["a"], more: null }, []],
	])("%s", (_, attributes, requests) => {
		expect(deliver([login(attributes)]).requests).toEqual(requests);
		expect(deliver([update(attributes)]).requests).toEqual(requests);
	});

	test.each<[string, Known]>([
		["of whom nothing is known", {}],
		["who was not found by userId", { searchedUserId: true }],
		["who is not there", { state: "missing", missingAt: now }],
	])("with nothing to say of somebody %s costs no request", (_, known) => {
		expect(deliver([login({})], known).requests).toEqual([]);
	});

	test("is one with those that follow it at once, later values winning", () => {
		const lane = deliver([login({ phone: "1", plan: "free" }), update({ plan: "pro" }), update({ phone: "2" })]);
		expect(lane.requests).toEqual([patch({ phone: "2", ...custom({ plan: "pro" }) }, 3)]);
	});

	test("is not one with those after another event", () => {
		const lane = deliver([update({ plan: "free" }), track("upgraded"), update({ plan: "pro" })]);
		expect(lane.requests).toEqual([
			patch(custom({ plan: "free" }), 1),
			event({ name: "upgraded" }),
			patch(custom({ plan: "pro" }), 1),
		]);
	});

	test("leaves out what was last sent with the same value, for 30 days", () => {
		const { known } = deliver([login({ phone: "1", plan: "pro" })]);
		expect(deliver([login({ phone: "1", plan: "pro" })], known).requests).toEqual([]);
		expect(deliver([login({ phone: "1", plan: "max" })], known).requests).toEqual([patch(custom({ plan: "max" }), 1)]);
		expect(deliver([login({ phone: "1" })], known, now + 30 * day - 1).requests).toEqual([]);
		expect(deliver([login({ phone: "1" })], known, now + 30 * day).requests).toEqual([patch({ phone: "1" }, 1)]);
	});

	test("leaves out nothing that another customer was sent", () => {
		const { known } = deliver([login({ plan: "pro" })]);
		const other = login({ plan: "pro" }, { ...ada, ids: { helpcrunch: 9 } });
		expect(deliver([other], known).requests).toEqual([patch(custom({ plan: "pro" }), 1, 9)]);
	});

	test("counts what was left out", () => {
		expect(helpcrunch.plan([login({ plan: "pro", tags: [], more: {} })], found, now)).toMatchObject({ leftOut: 2 });
		expect(helpcrunch.plan([login({ tags: [] })], found, now)).toEqual({ kind: "done", settles: 1, leftOut: 1 });
	});
});

describe("a person who is not there", () => {
	const missing = { state: "missing", missingAt: now };

	test.each<[string, Person, object]>([
		["e-mail and userId", ada, ada],
		["the e-mail alone", { email: "ada@example.com" }, { email: "ada@example.com" }],
		["the userId alone", { userId: "u-1" }, { userId: "u-1" }],
	])("is created with %s, and sent the event", (_, person, fields) => {
		expect(deliver([track("x", person)], missing).requests).toEqual([creation(fields), event({ name: "x" })]);
	});

	test("is created with the name of the login that waits, which is not sent twice", () => {
		const lane = deliver([login({ firstname: "Ada", plan: "pro" }), track("x")], missing);
		expect(lane.requests[0]).toMatchObject({ path: "customers", body: { ...ada, name: "Ada" } });
		expect(lane.requests.slice(1)).not.toContainEqual(expect.objectContaining({ body: { name: "Ada" } }));
		expect(lane.requests.at(-1)).toEqual(event({ name: "x" }));
	});

	test("under a remembered id is looked up once more, then given up", () => {
		const first = helpcrunch.plan([track("x")], found, now);
		if (first.kind !== "send") throw new Error("nothing to send");
		const again = first.request.ifMissing ?? {};
		const lookUp = helpcrunch.plan([track("x")], again, now);
		expect(sent(lookUp)).toEqual(search("userId", "u-1"));
		if (lookUp.kind !== "send") throw new Error("nothing to send");
		const second = helpcrunch.plan([track("x")], { ...lookUp.request.ifDelivered, id: 8 }, now);
		expect(sent(second)).toEqual(event({ name: "x" }, 8));
		expect(second).toHaveProperty("request.ifMissing", undefined);
	});

	test("and was just created is given up at once", () => {
		const created = helpcrunch.plan([track("x")], missing, now);
		if (created.kind !== "send") throw new Error("nothing to send");
		const next = helpcrunch.plan([track("x")], { ...created.request.ifDelivered, id: 7 }, now);
		expect(next).toHaveProperty("request.ifMissing", undefined);
	});

	test("under a given id is looked up by what else is known of them", () => {
		const plan = helpcrunch.plan([track("x", { ...ada, ids: { helpcrunch: 9 } })], {}, now);
		expect(plan).toHaveProperty("request.ifMissing", expect.anything());
	});

	test("is looked up again when deleted long after a login that the creation had settled", () => {
		const { known, requests } = deliver([login({ name: "Ada" })], missing);
		expect(requests).toEqual([creation({ ...ada, name: "Ada" })]);
		expect(helpcrunch.plan([track("y")], known, now + day)).toHaveProperty("request.ifMissing", expect.anything());
	});

	test.each([
		["always", false, "send"],
		["always", true, "send"],
		["verified", false, "discard"],
		["verified", true, "send"],
		["never", false, "discard"],
		["never", true, "discard"],
	] as const)("createPeople %s, trusted %s: %s", (createPeople, trusted, kind) => {
		const plan = provider({ createPeople }).plan([stored({ type: "track", name: "x" }, trusted)], missing, now);
		expect(plan).toMatchObject(
			kind === "send" ? { kind, request: { purpose: "create" } } : { kind, settles: 1, reason: "unknown_person" },
		);
	});

	test("and may not be created is not looked up again within the hour", () => {
		const never = provider({ createPeople: "never" });
		expect(never.plan([track("x")], missing, now + hour - 1).kind).toBe("discard");
		expect(sent(never.plan([track("x")], missing, now + hour))).toEqual(search("userId", "u-1"));
	});

	// E-mails are not unique there: a customer who came through the chat since then would get a double.
	test("for longer than an hour is looked up again before they are created", () => {
		const verified = provider({ createPeople: "verified" });
		const plan = verified.plan([stored({ type: "track", name: "x" }, true)], missing, now + hour);
		expect(sent(plan)).toEqual(search("userId", "u-1"));
	});

	test("and may not be created is sent what comes with an id of its own", () => {
		const never = provider({ createPeople: "never" });
		const plan = never.plan([track("x", { ...ada, ids: { helpcrunch: 9 } })], missing, now);
		expect(sent(plan)).toEqual(event({ name: "x" }, 9));
	});
});

test("the allowance is 120 requests a minute", () => {
	expect(helpcrunch.allowance).toEqual({ requests: 120, per: "minute" });
});
