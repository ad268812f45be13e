import { describe, expect, test } from "vitest";
import type { CrispConfig } from "../../../server/providers/crisp/options.ts";
import type { Known } from "../../../server/providers/provider.ts";
import { createProvider } from "../../../server/providers/registry.ts";
import type { StoredEvent } from "../../../server/stored-event.ts";
import { eventSchema, type Person } from "../../../shared/event.ts";
import { creationPlans, creations, deliverLane, learn, type Reply, type Sent, sent } from "./lane.ts";

const now = Date.UTC(2026, 10, 23, 12);
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const ada = { email: "ada@example.com" };

const provider = (options: Partial<CrispConfig> = {}) =>
	createProvider("crisp", {
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
	const event = eventSchema.parse({ id: crypto.randomUUID(), at: now, person: ada, ...fields });
	return { event, trusted, receivedAt: now };
}
const track = (name: string, fields: Partial<Fields> = {}) => stored({ type: "track", name, ...fields });
const login = (data: Record<string, unknown>) => stored({ type: "login", data });
const update = (data: Record<string, unknown>) => stored({ type: "update", data });

const done: Reply = [200, { error: false, reason: "done", data: {} }];
const nobody: Reply = [404, { error: true, reason: "not_found", data: {} }];
const taken = () => done;

/** Delivers a lane to Crisp, which takes everything unless told otherwise. */
const deliver = (events: StoredEvent[], known: Known = {}, at = now, replies: (request: Sent) => Reply = taken) =>
	deliverLane(crisp, events, replies, { known, now: at });

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

	test("is never merged with the next", async () => {
		expect((await deliver([track("a"), track("a")])).requests).toEqual([event({ text: "a" }), event({ text: "a" })]);
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
	])("%s", async (_, attributes, requests) => {
		expect((await deliver([login(attributes)])).requests).toEqual(requests);
		expect((await deliver([update(attributes)])).requests).toEqual(requests);
	});

	test("counts what was left out once, though it takes two requests", () => {
		const events: [StoredEvent] = [login({ phone: "1", plan: "pro", tags: [] })];
		const first = crisp.plan(events, {}, now);
		if (first.kind !== "send") throw new Error("nothing to send");
		const second = crisp.plan(events, first.request.ifDelivered, now);
		expect([first.leftOut, second]).toMatchObject([0, { leftOut: 1, settles: 1 }]);
	});

	test("is one with those that follow it at once, later values winning", async () => {
		const lane = await deliver([login({ phone: "1", plan: "free" }), update({ plan: "pro" }), update({ phone: "2" })]);
		expect(lane.requests).toEqual([profile({ person: { phone: "2" } }, 0), data({ plan: "pro" }, 3)]);
	});

	test("is not one with those after another event", async () => {
		const lane = await deliver([update({ plan: "free" }), track("upgraded"), update({ plan: "pro" })]);
		expect(lane.requests).toEqual([data({ plan: "free" }, 1), event({ text: "upgraded" }), data({ plan: "pro" }, 1)]);
	});

	test("leaves out what was last sent with the same value, for 30 days", async () => {
		const { known } = await deliver([login({ phone: "1", plan: "pro", seats: 1 })]);
		expect((await deliver([login({ phone: "1", plan: "pro", seats: 1 })], known)).requests).toEqual([]);
		expect((await deliver([login({ phone: "1", plan: "pro", seats: 2 })], known)).requests).toEqual([
			data({ seats: 2 }, 1),
		]);
		expect((await deliver([login({ phone: "1" })], known, now + 30 * day - 1)).requests).toEqual([]);
		expect((await deliver([login({ phone: "1" })], known, now + 30 * day)).requests).toEqual([
			profile({ person: { phone: "1" } }, 1),
		]);
	});

	test("that ends where it began costs no request", async () => {
		const { known } = await deliver([update({ plan: "pro" })]);
		expect((await deliver([update({ plan: "free" }), update({ plan: "pro" })], known)).requests).toEqual([]);
	});

	test("forgets nothing of it over other events", async () => {
		const { known } = await deliver([login({ plan: "pro" }), track("x")]);
		expect((await deliver([login({ plan: "pro" })], known)).requests).toEqual([]);
	});

	test.each<[string, (body: unknown) => boolean, unknown[]]>([
		["phone", (body) => JSON.stringify(body).includes('"phone":"2"'), ["delivered", "dead: invalid_data", "delivered"]],
		["plan", (body) => JSON.stringify(body).includes('"plan":"bad"'), ["delivered", "dead: invalid_data", "delivered"]],
	])("with a %s that is refused costs those beside it nothing, and ends", async (_, isRefused, ends) => {
		const events = [login({ phone: "1" }), update({ phone: "2", plan: "bad" }), update({ avatar: "a", seats: 3 })];
		const lane = await deliver(events, {}, now, ({ body }) =>
			isRefused(body) ? [400, { error: true, reason: "invalid_data" }] : done,
		);
		expect(lane.ends).toEqual(ends);
		expect(lane.requests.at(-1)).toMatchObject({ body: { data: { seats: 3 } } });
	});

	test("has no part in what is said of another people_id of the same e-mail", async () => {
		const of = (crisp: string, data: object) =>
			stored({ type: "update", person: { ...ada, ids: { crisp } }, data: { ...data } });
		const { requests } = await deliver([of("p-1", { phone: "1" }), of("p-2", { phone: "2" })]);
		const at = (address: string, phone: string) => ({
			...profile({ person: { phone } }, 1),
			path: `website/site-1/people/profile/${address}`,
		});
		expect(requests).toEqual([at("p-1", "1"), at("p-2", "2")]);
	});

	test("loses nothing that joins the lane between its halves", async () => {
		const events: [StoredEvent] = [login({ phone: "1", plan: "pro" })];
		const known = await learn(crisp, events[0], [done], { now });
		expect((await deliver([...events, update({ phone: "2" })], known)).requests).toEqual([
			data({ plan: "pro" }, 1),
			profile({ person: { phone: "2" } }, 1),
		]);
	});

	test("goes on after its first half, and repeats neither", () => {
		const events: [StoredEvent] = [login({ phone: "1", plan: "pro" })];
		const first = crisp.plan(events, {}, now);
		if (first.kind !== "send") throw new Error("nothing to send");
		const half = JSON.parse(JSON.stringify(first.request.ifDelivered));
		expect(sent(crisp.plan(events, half, now + hour))).toEqual(data({ plan: "pro" }, 1));
	});
});

describe("a person who is not there", async () => {
	const missing = await learn(crisp, track("before"), [nobody], { now });
	const creation = (nickname: string) => ({
		method: "POST",
		path: "website/site-1/people/profile",
		body: { email: "ada@example.com", person: { nickname } },
		settles: 0,
	});
	/** Crisp has nobody who was not created, and has who was if `lasting`. */
	const empty = (lasting = true) => {
		let isThere = false;
		return ({ method, path }: Sent) => {
			const isCreation = method === "POST" && path.endsWith("/profile");
			if (isCreation) isThere = lasting;
			return isCreation || isThere ? done : nobody;
		};
	};

	test("is created, named after the e-mail, and sent the event again", async () => {
		expect((await deliver([track("x")], missing)).requests).toEqual([creation("ada"), event({ text: "x" })]);
	});

	test("is created with the name of the login that waits", async () => {
		const lane = await deliver([login({ name: "Ada", plan: "pro" }), track("x")], missing);
		expect(lane.requests).toEqual([creation("Ada"), data({ plan: "pro" }, 1), event({ text: "x" })]);
	});

	test("is created with the name that several updates come to", async () => {
		const lane = await deliver([login({ firstname: "Ada" }), update({ lastname: "Lovelace" })], missing);
		expect(lane).toMatchObject({ requests: [creation("Ada Lovelace")], ends: ["delivered", "delivered"] });
	});

	test("is created only once the answer was that nobody is there", async () => {
		const lane = await deliver([track("x")], {}, now, empty());
		expect(lane.requests).toEqual([event({ text: "x" }), creation("ada"), event({ text: "x" })]);
		expect(lane.ends).toEqual(["delivered"]);
	});

	test("and turns out to be there already is told all of the login", async () => {
		const taken: Reply = [409, { error: true, reason: "people_exists" }];
		const replies = ({ method, path }: Sent) => (method === "POST" && path.endsWith("/profile") ? taken : done);
		const lane = await deliver([login({ name: "Ada" })], missing, now, replies);
		expect(lane.requests).toEqual([creation("Ada"), profile({ person: { nickname: "Ada" } }, 1)]);
	});

	test("is given up when just created and still not there", async () => {
		const lane = await deliver([track("x")], missing, now, empty(false));
		expect(lane.requests).toEqual([creation("ada"), event({ text: "x" })]);
		expect(lane).toMatchObject({ ends: ["dead: unknown_person"], known: {} });
	});

	test("is created again for another event, each giving up for itself", async () => {
		const lane = await deliver([track("x"), track("y")], {}, now, empty(false));
		const each = (text: string) => [event({ text }), creation("ada"), event({ text })];
		expect(lane.requests).toEqual([...each("x"), ...each("y")]);
	});

	test("is created again when deleted long after an event had reached them", async () => {
		const { known } = await deliver([track("x")], missing);
		const lane = await deliver([track("y")], known, now, empty());
		expect(lane.requests).toEqual([event({ text: "y" }), creation("ada"), event({ text: "y" })]);
	});

	test("is created again when deleted long after a login that the creation had settled", async () => {
		const { known, requests } = await deliver([login({ name: "Ada" })], missing);
		expect(requests).toEqual([creation("Ada")]);
		const lane = await deliver([track("y")], known, now + day, empty());
		expect(lane.ends).toEqual(["delivered"]);
		expect(lane.requests).toContainEqual(creation("ada"));
	});

	test("and was deleted is told again all that they had been told", async () => {
		const { known } = await deliver([login({ phone: "1", plan: "pro" })]);
		const after = await deliver([track("x")], known, now, empty());
		expect((await deliver([login({ phone: "1", plan: "pro" })], after.known)).requests).toEqual([
			profile({ person: { phone: "1" } }, 0),
			data({ plan: "pro" }, 1),
		]);
	});

	test("and cannot be created, having no e-mail, is given up, and nothing is remembered", async () => {
		const person = { userId: "u-1", ids: { crisp: "p-1" } };
		const lane = await deliver([track("x", { person })], {}, now, empty());
		expect(lane).toMatchObject({ ends: ["dead: unknown_person"], known: {} });
		expect(lane.requests).toHaveLength(1);
	});

	test("under one people_id may be under another that is given later", async () => {
		const person = (crisp: string) => ({ ...ada, ids: { crisp } });
		const known = await learn(crisp, track("x", { person: person("p-1") }), [nobody], { now });
		const plan = crisp.plan([track("x", { person: person("p-2") })], known, now);
		expect(sent(plan)).toEqual(event({ text: "x" }, "website/site-1/people/events/p-2"));
	});

	test("under the given people_id is not sent the event under that again", async () => {
		const x = track("x", { person: { ...ada, ids: { crisp: "p-1" } } });
		const at = (address: string) => event({ text: "x" }, `website/site-1/people/events/${address}`);
		const lane = await deliver([x, x], {}, now, ({ path }) => (path.endsWith("/p-1") ? nobody : done));
		expect(lane.requests).toEqual([at("p-1"), at(ada.email), at(ada.email)]);
	});

	test("costs no request for an update that has nothing to say", async () => {
		expect((await deliver([login({})], missing)).requests).toEqual([]);
	});

	test.each(creations)("createPeople %s, trusted %s: %s", (createPeople, trusted, planned) => {
		const plan = provider({ createPeople }).plan([stored({ type: "track", name: "x" }, trusted)], missing, now);
		expect(plan).toMatchObject(creationPlans[planned]);
	});

	test("and may not be created is not asked for again within the hour", async () => {
		const never = provider({ createPeople: "never" });
		expect(never.plan([track("x")], missing, now + hour - 1).kind).toBe("discard");
		const plan = never.plan([track("x")], missing, now + hour);
		expect(plan).toMatchObject({ request: { purpose: "event" } });
		const still = await learn(never, track("x"), [nobody], { known: missing, now: now + hour });
		expect(never.plan([track("x")], still, now + 2 * hour - 1).kind).toBe("discard");
	});
});

test("the daily allowance is the token's", () => {
	expect(provider({ tier: "website" }).allowance).toEqual({ requests: 10_000, per: "day" });
	expect(provider({ tier: "plugin" }).allowance).toEqual({ requests: 5_000, per: "day" });
});
