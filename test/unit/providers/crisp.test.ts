import { describe, expect, test } from "vitest";
import type { CrispConfig } from "../../../server/config-schema.ts";
import { createCrispProvider } from "../../../server/providers/crisp.ts";
import type { Known, Plan } from "../../../server/providers/provider.ts";
import type { StoredEvent } from "../../../server/stored-event.ts";
import { eventSchema, type Person } from "../../../shared/event.ts";

const now = Date.UTC(2026, 10, 23, 12);
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const ada = { email: "ada@example.com" };

const provider = (options: Partial<CrispConfig> = {}) =>
	createCrispProvider({
		websiteId: "site-1",
		identifier: "id",
		key: "key",
		tier: "website",
		baseUrl: "https://crisp.invalid/v1",
		createPeople: "always",
		occurredAt: "late",
		...options,
	});
const crisp = provider();

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
const track = (name: string, fields: Partial<Fields> = {}) => stored({ type: "track", name, ...fields });
const login = (data: Record<string, unknown>) => stored({ type: "login", data });
const update = (data: Record<string, unknown>) => stored({ type: "update", data });

/** A plan's request as it will travel, and what the plan settles. */
function sent(plan: Plan) {
	if (plan.kind !== "send") throw new Error(`Planned ${JSON.stringify(plan)}, not a request`);
	const { method, path, query, body } = plan.request;
	return { ...JSON.parse(JSON.stringify({ method, path: path.join("/"), query, body })), settles: plan.settles };
}

/** Delivers a lane without ever failing: the requests, and what is known after. */
function deliver(events: [StoredEvent, ...StoredEvent[]], known: Known = {}, at = now) {
	const requests: unknown[] = [];
	let memory = known;
	let [next, ...rest]: (StoredEvent | undefined)[] = events;
	while (next) {
		const plan = crisp.plan([next, ...rest.filter((event) => event !== undefined)], memory, at);
		if (plan.kind === "refuse") throw new Error(plan.message);
		if (plan.kind === "send") {
			requests.push(sent(plan));
			memory = JSON.parse(JSON.stringify(plan.request.ifDelivered));
		}
		[next, ...rest] = [next, ...rest].slice(plan.settles);
	}
	return { requests, known: memory };
}

const event = (body: unknown, path = "website/site-1/people/events/ada@example.com") => ({
	method: "POST",
	path,
	body,
	settles: 1,
});
const profile = (body: unknown, settles: number) => ({
	method: "PATCH",
	path: "website/site-1/people/profile/ada@example.com",
	body,
	settles,
});
const data = (body: unknown, settles: number) => ({
	method: "PATCH",
	path: "website/site-1/people/data/ada@example.com",
	body: { data: body },
	settles,
});

describe("an event", () => {
	test.each<[string, Fields, unknown]>([
		["a name alone is the text alone", { type: "track", name: "opened" }, { text: "opened" }],
		["data goes along", { type: "track", name: "x", data: { a: { b: [1] } } }, { text: "x", data: { a: { b: [1] } } }],
		["empty data is left out", { type: "track", name: "x", data: {} }, { text: "x" }],
		["a colour goes along", { type: "track", name: "x", color: "red" }, { text: "x", color: "red" }],
		[
			"a confirmation is green",
			{ type: "confirmation", data: { orderId: "A-1", total: 9.5, items: [{ id: 1, quantity: 2 }] } },
			{
				text: "confirmation",
				color: "green",
				data: { orderId: "A-1", total: 9.5, items: [{ id: 1, quantity: 2 }] },
			},
		],
		[
			"a confirmation has the colour it is told",
			{ type: "confirmation", color: "pink", data: { orderId: 7 } },
			{ text: "confirmation", color: "pink", data: { orderId: 7 } },
		],
		[
			"an opened e-mail is called that",
			{ type: "email_open", data: { campaign: "c" } },
			{ text: "email_open", data: { campaign: "c" } },
		],
		["an opened e-mail needs no data", { type: "email_open" }, { text: "email_open" }],
		[
			"a page has its address and title",
			{ type: "page", context: { url: "https://shop.example/a", title: "A" } },
			{ text: "page", data: { url: "https://shop.example/a", title: "A" } },
		],
		["a page of which nothing is known has no data", { type: "page" }, { text: "page" }],
	])("%s", (_, fields, body) => {
		const plan = crisp.plan([stored(fields)], {}, now);
		expect(sent(plan)).toEqual(event(body));
		expect(plan).toMatchObject({ covers: 1 });
	});

	test("is never merged with the next", () => {
		expect(deliver([track("a"), track("a")]).requests).toEqual([event({ text: "a" }), event({ text: "a" })]);
	});

	test.each([
		["late", minute, false],
		["late", minute + 1, true],
		["late", 0, false],
		["always", 0, true],
		["never", day, false],
	] as const)("occurredAt %s, %d ms after its capture: %s", (occurredAt, ms, stamped) => {
		const plan = provider({ occurredAt }).plan([track("x", { at: now - ms })], {}, now);
		const time = { occurred_at: new Date(now - ms).toISOString() };
		expect(sent(plan).body).toEqual({ text: "x", ...(stamped && { data: time }) });
	});

	test.each(["a/b", "..", "%2e%2e", "#", "?", "🛒", '"quotes"', "'", "<b>", "\\", " ", "constructor"])(
		"may be called %j",
		(name) => expect(sent(crisp.plan([track(name)], {}, now)).body).toEqual({ text: name }),
	);
});

describe("a person", () => {
	test.each<[string, Person, string | undefined]>([
		["is the e-mail", ada, "ada@example.com"],
		["is the e-mail where there is a userId as well", { ...ada, userId: "u-1" }, "ada@example.com"],
		["is the people_id where it is given", { ...ada, ids: { crisp: "p-1" } }, "p-1"],
		["may be a people_id without an e-mail", { userId: "u-1", ids: { crisp: "p-1" } }, "p-1"],
		["is not another provider's id", { ...ada, ids: { helpcrunch: 7, vibetrace: "v" } }, "ada@example.com"],
		["cannot be a userId", { userId: "u-1" }, undefined],
	])("%s", (_, person, address) => {
		expect(crisp.addresses(person)).toBe(address !== undefined);
		if (address === undefined) return;
		const plan = crisp.plan([track("x", { person })], {}, now);
		expect(sent(plan)).toEqual(event({ text: "x" }, `website/site-1/people/events/${address}`));
	});

	test.each(["a/b@x", "../..@x", "%2e%2e@x", "a#b@x", "a?b@x", "🛒@x", '"ab"@x', "a'b@x"])(
		"with the e-mail %j is one whole path segment",
		(email) => {
			const plan = crisp.plan([track("x", { person: { email } })], {}, now);
			expect(plan).toMatchObject({ request: { path: ["website", "site-1", "people", "events", email] } });
		},
	);
});

describe("a login or update", () => {
	test.each<[string, Record<string, unknown>, unknown[]]>([
		["a name is the nickname", { name: "Ada" }, [profile({ person: { nickname: "Ada" } }, 1)]],
		[
			"first and last name are the nickname",
			{ firstname: "Ada", lastname: "Lovelace" },
			[profile({ person: { nickname: "Ada Lovelace" } }, 1)],
		],
		[
			"all the card's fields are one request",
			{ nickname: "a", phone: 1, avatar: "b", gender: "c", address: "d", website: "e", company: "f" },
			[
				profile(
					{
						person: { nickname: "a", phone: "1", avatar: "b", gender: "c", address: "d", website: "e" },
						company: { name: "f" },
					},
					1,
				),
			],
		],
		[
			"all others are custom data",
			{ plan: "pro", seats: 3, paid: false },
			[data({ plan: "pro", seats: 3, paid: false }, 1)],
		],
		[
			"both are two requests, the second of which settles",
			{ phone: "1", plan: "pro" },
			[profile({ person: { phone: "1" } }, 0), data({ plan: "pro" }, 1)],
		],
		[
			"what a key of ours could do there is plain data",
			{ email: "eve@example.com", segments: "vip", notepad: "x", "person.nickname": "y", data: "z", active: 1 },
			[
				data(
					{ email: "eve@example.com", segments: "vip", notepad: "x", "person.nickname": "y", data: "z", active: 1 },
					1,
				),
			],
		],
		["what is no scalar is left out", { tags: ["a"], plan: "pro" }, [data({ plan: "pro" }, 1)]],
		["without attributes costs no request", {}, []],
		["with nothing that fits costs no request", { tags: ["a"], more: null }, []],
	])("%s", (_, attributes, requests) => {
		expect(deliver([login(attributes)]).requests).toEqual(requests);
		expect(deliver([update(attributes)]).requests).toEqual(requests);
	});

	test("counts what was left out once, though it takes two requests", () => {
		const events: [StoredEvent] = [login({ phone: "1", plan: "pro", tags: [] })];
		const first = crisp.plan(events, {}, now);
		if (first.kind !== "send") throw new Error("nothing to send");
		const second = crisp.plan(events, first.request.ifDelivered, now);
		expect([first.leftOut, second]).toMatchObject([0, { leftOut: 1, settles: 1 }]);
	});

	test("is one with those that follow it at once, later values winning", () => {
		const lane = deliver([login({ phone: "1", plan: "free" }), update({ plan: "pro" }), update({ phone: "2" })]);
		expect(lane.requests).toEqual([profile({ person: { phone: "2" } }, 0), data({ plan: "pro" }, 3)]);
	});

	test("is not one with those after another event", () => {
		const lane = deliver([update({ plan: "free" }), track("upgraded"), update({ plan: "pro" })]);
		expect(lane.requests).toEqual([data({ plan: "free" }, 1), event({ text: "upgraded" }), data({ plan: "pro" }, 1)]);
	});

	test("leaves out what was last sent with the same value, for 30 days", () => {
		const { known } = deliver([login({ phone: "1", plan: "pro", seats: 1 })]);
		expect(deliver([login({ phone: "1", plan: "pro", seats: 1 })], known).requests).toEqual([]);
		expect(deliver([login({ phone: "1", plan: "pro", seats: 2 })], known).requests).toEqual([data({ seats: 2 }, 1)]);
		expect(deliver([login({ phone: "1" })], known, now + 30 * day - 1).requests).toEqual([]);
		expect(deliver([login({ phone: "1" })], known, now + 30 * day).requests).toEqual([
			profile({ person: { phone: "1" } }, 1),
		]);
	});

	test("that ends where it began costs no request", () => {
		const { known } = deliver([update({ plan: "pro" })]);
		expect(deliver([update({ plan: "free" }), update({ plan: "pro" })], known).requests).toEqual([]);
	});

	test("forgets nothing of it over other events", () => {
		const { known } = deliver([login({ plan: "pro" }), track("x")]);
		expect(deliver([login({ plan: "pro" })], known).requests).toEqual([]);
	});

	test("goes on after its first half, and repeats neither", () => {
		const events: [StoredEvent] = [login({ phone: "1", plan: "pro" })];
		const first = crisp.plan(events, {}, now);
		if (first.kind !== "send") throw new Error("nothing to send");
		const half = JSON.parse(JSON.stringify(first.request.ifDelivered));
		expect(sent(crisp.plan(events, half, now + hour))).toEqual(data({ plan: "pro" }, 1));
	});
});

describe("a person who is not there", () => {
	const missing = { state: "missing", missingAt: now };
	const creation = (nickname: string) => ({
		method: "POST",
		path: "website/site-1/people/profile",
		body: { email: "ada@example.com", person: { nickname } },
		settles: 0,
	});

	test("is created, named after the e-mail, and sent the event again", () => {
		expect(deliver([track("x")], missing).requests).toEqual([creation("ada"), event({ text: "x" })]);
	});

	test("is created with the name of the login that waits", () => {
		const lane = deliver([login({ name: "Ada", plan: "pro" }), track("x")], missing);
		expect(lane.requests).toEqual([creation("Ada"), data({ plan: "pro" }, 1), event({ text: "x" })]);
	});

	test("is created only once the answer was that nobody is there", () => {
		const plan = crisp.plan([track("x")], {}, now);
		expect(plan).toMatchObject({ request: { purpose: "event", ifMissing: missing } });
	});

	test("is given up when just created and still not there", () => {
		const created = crisp.plan([track("x")], missing, now);
		if (created.kind !== "send") throw new Error("nothing to send");
		const again = crisp.plan([track("x")], created.request.ifDelivered, now);
		expect(again).toMatchObject({ request: { purpose: "event" } });
		expect(again).not.toHaveProperty("request.ifMissing.state");
	});

	test("is created again when deleted long after an event had reached them", () => {
		const { known } = deliver([track("x")], missing);
		expect(crisp.plan([track("y")], known, now)).toHaveProperty("request.ifMissing.state", "missing");
	});

	test("is created again when deleted long after a login that the creation had settled", () => {
		const { known, requests } = deliver([login({ name: "Ada" })], missing);
		expect(requests).toEqual([creation("Ada")]);
		expect(crisp.plan([track("y")], known, now + day)).toHaveProperty("request.ifMissing.state", "missing");
	});

	test("and cannot be created, having no e-mail, is refused", () => {
		const person = { userId: "u-1", ids: { crisp: "p-1" } };
		expect(crisp.plan([track("x", { person })], missing, now)).toMatchObject({
			kind: "refuse",
			reason: "unknown_person",
		});
	});

	test("under one people_id may be under another that is given later", () => {
		const person = { userId: "u-1", ids: { crisp: "p-2" } };
		const plan = crisp.plan([track("x", { person })], missing, now + day);
		expect(plan).toMatchObject({ kind: "send", request: { purpose: "event" } });
	});

	test("under the given people_id is not sent the event under that again", () => {
		const lane = deliver([track("x", { person: { ...ada, ids: { crisp: "p-1" } } })], missing);
		expect(lane.requests.at(-1)).toEqual(event({ text: "x" }));
	});

	test("costs no request for an update that has nothing to say", () => {
		expect(deliver([login({})], missing).requests).toEqual([]);
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

	test("and may not be created is not asked for again within the hour", () => {
		const never = provider({ createPeople: "never" });
		expect(never.plan([track("x")], missing, now + hour - 1).kind).toBe("discard");
		const plan = never.plan([track("x")], missing, now + hour);
		expect(plan).toMatchObject({
			request: { purpose: "event", ifMissing: { state: "missing", missingAt: now + hour } },
		});
	});
});

test("the daily allowance is the token's", () => {
	expect(provider({ tier: "website" }).allowance).toEqual({ requests: 10_000, per: "day" });
	expect(provider({ tier: "plugin" }).allowance).toEqual({ requests: 5_000, per: "day" });
});
