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
		createFirst: false,
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

/** Delivers a lane to Crisp, which accepts everything by default. */
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
		["a name becomes the text", { type: "track", name: "opened" }, { text: "opened" }],
		[
			"data is sent along",
			{ type: "track", name: "x", data: { a: { b: [1] } } },
			{ text: "x", data: { a: { b: [1] } } },
		],
		["empty data is left out", { type: "track", name: "x", data: {} }, { text: "x" }],
		["a colour is sent along", { type: "track", name: "x", color: "red" }, { text: "x", color: "red" }],
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
			"a confirmation keeps the colour it is given",
			{ type: "confirmation", color: "pink", data: { orderId: 7 } },
			{ text: "confirmation", color: "pink", data: { orderId: 7 } },
		],
		[
			"an opened e-mail is named email_open",
			{ type: "email_open", data: { campaign: "c" } },
			{ text: "email_open", data: { campaign: "c" } },
		],
		["an opened e-mail needs no data", { type: "email_open" }, { text: "email_open" }],
		[
			"a page carries its URL and title",
			{ type: "page", context: { url: "https://shop.example/a", title: "A" } },
			{ text: "page", data: { url: "https://shop.example/a", title: "A" } },
		],
		["a page without context has no data", { type: "page" }, { text: "page" }],
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
	] as const)("with occurredAt %s, sent %d ms after its capture, carries its time: %s", (occurredAt, ms, stamped) => {
		const plan = provider({ occurredAt }).plan([track("x", { at: now - ms })], {}, now);
		const time = { occurred_at: new Date(now - ms).toISOString() };
		expect(sent(plan).body).toEqual({ text: "x", ...(stamped && { data: time }) });
	});

	test.each(["a/b", "..", "%2e%2e", "#", "?", "🛒", '"quotes"', "'", "<b>", "\\", " ", "constructor"])(
		"may have the name %j",
		(name) => expect(sent(crisp.plan([track(name)], {}, now)).body).toEqual({ text: name }),
	);
});

describe("a person", () => {
	test.each<[string, Person, string | undefined]>([
		["is addressed by e-mail", ada, "ada@example.com"],
		["is addressed by e-mail even with a userId", { ...ada, userId: "u-1" }, "ada@example.com"],
		["is addressed by people_id if it is given", { ...ada, ids: { crisp: "p-1" } }, "p-1"],
		["may be addressed by people_id without an e-mail", { userId: "u-1", ids: { crisp: "p-1" } }, "p-1"],
		[
			"is not addressed by another provider's id",
			{ ...ada, ids: { helpcrunch: 7, vibetrace: "v" } },
			"ada@example.com",
		],
		["cannot be addressed by userId", { userId: "u-1" }, undefined],
	])("%s", (_, person, address) => {
		expect(crisp.addresses(person)).toBe(address !== undefined);
		if (address === undefined) return;
		const plan = crisp.plan([track("x", { person })], {}, now);
		expect(sent(plan)).toEqual(event({ text: "x" }, `website/site-1/people/events/${address}`));
	});

	test.each(["🛒@x", '"ab"@x', "a'b@x", "a;b@x", "..@x"])("with the e-mail %j fills one path segment", (email) => {
		const plan = crisp.plan([track("x", { person: { email } })], {}, now);
		expect(plan).toMatchObject({ request: { path: ["website", "site-1", "people", "events", email] } });
	});

	test.each(["a/b@x", "../..@x", "%2e%2e@x", "a#b@x", "a?b@x", "a\\b@x", "..;@x"])(
		"with the e-mail %j is refused, as it may not stay one path segment",
		(email) => {
			expect(crisp.plan([track("x", { person: { email } })], {}, now)).toMatchObject({
				kind: "refuse",
				reason: "unbuildable",
			});
			const ids = { ...ada, ids: { crisp: email } };
			expect(crisp.plan([track("x", { person: ids })], {}, now)).toMatchObject({ reason: "unbuildable" });
		},
	);
});

describe("a login or update", () => {
	test.each<[string, Record<string, unknown>, unknown[]]>([
		["a name becomes the nickname", { name: "Ada" }, [profile({ person: { nickname: "Ada" } }, 1)]],
		[
			"first and last name become the nickname",
			{ firstname: "Ada", lastname: "Lovelace" },
			[profile({ person: { nickname: "Ada Lovelace" } }, 1)],
		],
		[
			"all fields of the profile fit in one request",
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
			"all other attributes are custom data",
			{ plan: "pro", seats: 3, paid: false },
			[data({ plan: "pro", seats: 3, paid: false }, 1)],
		],
		[
			"profile and custom data take two requests, and the second settles the event",
			{ phone: "1", plan: "pro" },
			[profile({ person: { phone: "1" } }, 0), data({ plan: "pro" }, 1)],
		],
		[
			"attributes named like fields of Crisp's API are custom data",
			{ email: "eve@example.com", notepad: "x", "person.nickname": "y", data: "z", active: 1 },
			[data({ email: "eve@example.com", notepad: "x", "person.nickname": "y", data: "z", active: 1 }, 1)],
		],
		["a value that is not a scalar is left out", { tags: ["a"], plan: "pro" }, [data({ plan: "pro" }, 1)]],
		["without attributes costs no request", {}, []],
		["without usable attributes costs no request", { tags: ["a"], segments: "vip", more: {}, phone: null }, []],
		["an unset attribute is an empty value", { plan: null, seats: 1 }, [data({ plan: "", seats: 1 }, 1)]],
		["a field of the profile cannot be unset", { phone: null, name: null, plan: "pro" }, [data({ plan: "pro" }, 1)]],
	])("%s", async (_, attributes, requests) => {
		expect((await deliver([login(attributes)])).requests).toEqual(requests);
		expect((await deliver([update(attributes)])).requests).toEqual(requests);
	});

	test("adds segments to those of the profile, with its fields, and each once in 30 days", async () => {
		const at = (known: Known, ...events: StoredEvent[]) =>
			deliver(events, known, now, ({ method }) =>
				method === "GET" ? [200, { error: false, data: { segments: ["old", 7] } }] : done,
			);
		const read = { ...profile(undefined, 0), method: "GET" };
		const first = await at(
			{},
			login({ segments: ["vip", "old"], phone: "1", plan: "pro" }),
			update({ segments: ["b"] }),
		);
		const segments = ["old", "vip", "b"];
		expect(first.requests).toEqual([read, profile({ person: { phone: "1" }, segments }, 0), data({ plan: "pro" }, 2)]);
		expect(JSON.stringify(first.known)).not.toContain("vip");
		expect((await at(first.known, login({ segments: ["vip"] }))).requests).toEqual([]);
		const second = await at(first.known, login({ segments: ["vip", "new"] }));
		expect(second.requests).toEqual([read, profile({ segments: ["old", "new"] }, 1)]);
	});

	test("reads the segments anew if adding them has waited for a minute", async () => {
		const events: [StoredEvent] = [login({ segments: ["vip"] })];
		const known = await learn(crisp, events[0], [[200, { error: false, data: { segments: ["old"] } }]], { now });
		expect(sent(crisp.plan(events, known, now + minute))).toMatchObject({ method: "PATCH" });
		expect(sent(crisp.plan(events, known, now + minute + 1))).toMatchObject({ method: "GET" });
	});

	describe("with names that Crisp refuses", () => {
		/** Simulates Crisp refusing custom data by its names, without saying which. */
		const lowercase =
			(isName = /^[a-z0-9_-]+$/) =>
			({ body }: Sent): Reply =>
				Object.keys((body?.data as object) ?? {}).every((name) => isName.test(name))
					? done
					: [400, { error: true, reason: "invalid_data", data: {} }];

		test("is sent once more without them, and they are left out for 30 days", async () => {
			const all = { plan: "pro", signupDate: "2026", "Last Order": 1, phone: "1" };
			const first = await deliver([login(all), track("x")], {}, now, lowercase());
			const { plan, signupDate, "Last Order": last } = all;
			expect(first.requests).toEqual([
				profile({ person: { phone: "1" } }, 0),
				data({ plan, signupDate, "Last Order": last }, 1),
				data({ plan }, 1),
				event({ text: "x" }),
			]);
			expect(first).toMatchObject({ ends: ["delivered", "delivered"], leftOut: 2 });
			const changed = login({ ...all, plan: "max", signupDate: "2027" });
			const second = await deliver([changed], first.known, now, lowercase());
			expect(second).toMatchObject({ requests: [data({ plan: "max" }, 1)], leftOut: 2 });
			expect((await deliver([changed], second.known, now + 30 * day, lowercase())).requests).toHaveLength(3);
		});

		test("alone costs one request, and the login is delivered", async () => {
			const { requests, ends, leftOut, known } = await deliver([login({ signupDate: "x" })], {}, now, lowercase());
			expect([requests.length, ends, leftOut]).toEqual([1, ["delivered"], 1]);
			expect(await deliver([login({ signupDate: "y" })], known)).toMatchObject({ requests: [], leftOut: 1 });
		});

		test("and for a person who is not there twice is a dead letter for that reason", async () => {
			const { ends } = await deliver([login({ signupDate: "x" })], {}, now, ({ path }) =>
				path.endsWith("/profile") ? done : nobody,
			);
			expect(ends).toEqual(["dead: unknown_person"]);
		});

		test("is sent as it is where Crisp takes them", async () => {
			const all = { plan: "pro", signupDate: "2026" };
			expect(await deliver([login(all)])).toMatchObject({ requests: [data(all, 1)], leftOut: 0 });
		});

		test("loses none of them if something else is refused", async () => {
			const isBad = ({ body }: Sent) => JSON.stringify(body).includes("bad");
			const lane = [login({ signupDate: "1" }), update({ plan: "bad" }), update({ seatCount: 3 })];
			const { requests, ends, leftOut } = await deliver(lane, {}, now, (request) => (isBad(request) ? [400] : done));
			expect(ends).toEqual(["delivered", "dead: http_400", "delivered"]);
			expect(leftOut).toBe(0);
			const accepted = requests
				.filter((request) => !isBad(request))
				.flatMap(({ body }) => Object.keys(body.data ?? {}));
			expect(accepted).toEqual(["signupDate", "seatCount"]);
		});

		test("and a refusal that names one loses no other, and only with that value", async () => {
			const isBad = ({ body }: Sent) => JSON.stringify(body).includes('"seats":"many"');
			const refusal: Reply = [
				400,
				{ error: true, reason: "invalid_data", data: { message: 'value of "seats" is invalid' } },
			];
			const reply = (request: Sent) => (isBad(request) ? refusal : done);
			const first = await deliver([login({ seats: "many", signupDate: "2026" })], {}, now, reply);
			expect(first.requests.at(-1)).toEqual(data({ signupDate: "2026" }, 1));
			expect(first.leftOut).toBe(1);
			expect((await deliver([login({ seats: 3 })], first.known, now, reply)).requests).toEqual([data({ seats: 3 }, 1)]);
		});
	});

	test("counts attributes left out once, even if it takes two requests", () => {
		const events: [StoredEvent] = [login({ phone: "1", plan: "pro", tags: [] })];
		const first = crisp.plan(events, {}, now);
		if (first.kind !== "send") throw new Error("nothing to send");
		const second = crisp.plan(events, first.request.ifDelivered, now);
		expect([first.leftOut, second]).toMatchObject([0, { leftOut: 1, settles: 1 }]);
	});

	test("is merged with the updates directly after it, later values winning", async () => {
		const lane = await deliver([login({ phone: "1", plan: "free" }), update({ plan: "pro" }), update({ phone: "2" })]);
		expect(lane.requests).toEqual([profile({ person: { phone: "2" } }, 0), data({ plan: "pro" }, 3)]);
	});

	test("is not merged with updates after another event", async () => {
		const lane = await deliver([update({ plan: "free" }), track("upgraded"), update({ plan: "pro" })]);
		expect(lane.requests).toEqual([data({ plan: "free" }, 1), event({ text: "upgraded" }), data({ plan: "pro" }, 1)]);
	});

	test("leaves out values that were already sent within 30 days", async () => {
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

	test("costs no request if it is merged into the values already sent", async () => {
		const { known } = await deliver([update({ plan: "pro" })]);
		expect((await deliver([update({ plan: "free" }), update({ plan: "pro" })], known)).requests).toEqual([]);
	});

	test("is still known to be sent after other events", async () => {
		const { known } = await deliver([login({ plan: "pro" }), track("x")]);
		expect((await deliver([login({ plan: "pro" })], known)).requests).toEqual([]);
	});

	test.each<[string, (body: unknown) => boolean, unknown[]]>([
		["phone", (body) => JSON.stringify(body).includes('"phone":"2"'), ["delivered", "dead: invalid_data", "delivered"]],
		["plan", (body) => JSON.stringify(body).includes('"plan":"bad"'), ["delivered", "dead: invalid_data", "delivered"]],
	])("with a refused %s becomes a dead letter without costing its neighbours", async (_, isRefused, ends) => {
		const events = [login({ phone: "1" }), update({ phone: "2", plan: "bad" }), update({ avatar: "a", seats: 3 })];
		const lane = await deliver(events, {}, now, ({ body }) =>
			isRefused(body) ? [400, { error: true, reason: "invalid_data" }] : done,
		);
		expect(lane.ends).toEqual(ends);
		expect(lane.requests.at(-1)).toMatchObject({ body: { data: { seats: 3 } } });
	});

	test("is not merged with an update of another people_id with the same e-mail", async () => {
		const updateOf = (crisp: string, data: object) =>
			stored({ type: "update", person: { ...ada, ids: { crisp } }, data: { ...data } });
		const { requests } = await deliver([updateOf("p-1", { phone: "1" }), updateOf("p-2", { phone: "2" })]);
		const profileAt = (address: string, phone: string) => ({
			...profile({ person: { phone } }, 1),
			path: `website/site-1/people/profile/${address}`,
		});
		expect(requests).toEqual([profileAt("p-1", "1"), profileAt("p-2", "2")]);
	});

	test("loses no update that joins the lane between its two requests", async () => {
		const events: [StoredEvent] = [login({ phone: "1", plan: "pro" })];
		const known = await learn(crisp, events[0], [done], { now });
		expect((await deliver([...events, update({ phone: "2" })], known)).requests).toEqual([
			data({ plan: "pro" }, 1),
			profile({ person: { phone: "2" } }, 1),
		]);
	});

	test("goes on after its first request without repeating it", () => {
		const events: [StoredEvent] = [login({ phone: "1", plan: "pro" })];
		const first = crisp.plan(events, {}, now);
		if (first.kind !== "send") throw new Error("nothing to send");
		const half = JSON.parse(JSON.stringify(first.request.ifDelivered));
		expect(sent(crisp.plan(events, half, now + hour))).toEqual(data({ plan: "pro" }, 1));
	});
});

describe("a person who does not exist at Crisp", async () => {
	const missing = await learn(crisp, track("before"), [nobody], { now });
	const creation = (nickname: string) => ({
		method: "POST",
		path: "website/site-1/people/profile",
		body: { email: "ada@example.com", person: { nickname } },
		settles: 0,
	});
	/** Simulates Crisp without any people. A created person stays only if `lasting`. */
	const empty = (lasting = true) => {
		let isThere = false;
		return ({ method, path }: Sent) => {
			const isCreation = method === "POST" && path.endsWith("/profile");
			if (isCreation) isThere = lasting;
			return isCreation || isThere ? done : nobody;
		};
	};

	test("is created with a nickname from the e-mail, then sent the event again", async () => {
		expect((await deliver([track("x")], missing)).requests).toEqual([creation("ada"), event({ text: "x" })]);
	});

	test("is created with the segments of a waiting login", async () => {
		const lane = await deliver([login({ segments: ["vip"], plan: "pro" })], missing);
		const { body, ...rest } = creation("ada");
		expect(lane.requests).toEqual([{ ...rest, body: { ...body, segments: ["vip"] } }, data({ plan: "pro" }, 1)]);
	});

	test("is created with the name from a waiting login", async () => {
		const lane = await deliver([login({ name: "Ada", plan: "pro" }), track("x")], missing);
		expect(lane.requests).toEqual([creation("Ada"), data({ plan: "pro" }, 1), event({ text: "x" })]);
	});

	test("is created with the profile of a waiting login, which no update repeats", async () => {
		const lane = await deliver([login({ name: "Ada", phone: 1, company: "Acme" }), update({ phone: 2 })], missing);
		const { body, ...rest } = creation("Ada");
		const whole = { ...body, person: { nickname: "Ada", phone: "2" }, company: { name: "Acme" } };
		expect(lane.requests).toEqual([{ ...rest, body: whole }]);
		expect(lane.ends).toEqual(["delivered", "delivered"]);
	});

	test("is created without attributes if refused with them, and only the refused attributes are given up", async () => {
		const lane = [login({ name: "Ada", plan: "pro" }), update({ phone: "bad" }), track("x")];
		const { requests, ends } = await deliver(lane, missing, now, ({ body }) =>
			JSON.stringify(body).includes("bad") ? [400, { error: true, reason: "invalid_data" }] : done,
		);
		expect(ends).toEqual(["delivered", "dead: invalid_data", "delivered"]);
		const [first, second] = requests.filter(({ path }) => path.endsWith("people/profile"));
		expect(first?.body).toMatchObject({ person: { nickname: "Ada", phone: "bad" } });
		expect(second).toEqual(creation("ada"));
		expect(requests).toContainEqual(profile({ person: { nickname: "Ada" } }, 0));
	});

	test("is not created a second time if nothing but the e-mail can be at fault", async () => {
		const invalid: Reply = [400, { error: true, reason: "invalid_data" }];
		const lane = await deliver([track("x")], missing, now, () => invalid);
		expect(lane.ends).toEqual(["dead: invalid_data"]);
		expect(lane.requests).toEqual([creation("ada")]);
	});

	test("is created with a name merged from several updates", async () => {
		const lane = await deliver([login({ firstname: "Ada" }), update({ lastname: "Lovelace" })], missing);
		expect(lane).toMatchObject({ requests: [creation("Ada Lovelace")], ends: ["delivered", "delivered"] });
	});

	test("is created only after an answer that they do not exist", async () => {
		const lane = await deliver([track("x")], {}, now, empty());
		expect(lane.requests).toEqual([event({ text: "x" }), creation("ada"), event({ text: "x" })]);
		expect(lane.ends).toEqual(["delivered"]);
	});

	test("is sent the whole login if the creation finds that they already exist", async () => {
		const taken: Reply = [409, { error: true, reason: "people_exists" }];
		const replies = ({ method, path }: Sent) => (method === "POST" && path.endsWith("/profile") ? taken : done);
		const lane = await deliver([login({ name: "Ada" })], missing, now, replies);
		expect(lane.requests).toEqual([creation("Ada"), profile({ person: { nickname: "Ada" } }, 1)]);
	});

	test("has the event given up if still missing right after the creation", async () => {
		const lane = await deliver([track("x")], missing, now, empty(false));
		expect(lane.requests).toEqual([creation("ada"), event({ text: "x" })]);
		expect(lane).toMatchObject({ ends: ["dead: unknown_person"], known: {} });
	});

	test("is created again for each event, and each event is given up on its own", async () => {
		const lane = await deliver([track("x"), track("y")], {}, now, empty(false));
		const requestsFor = (text: string) => [event({ text }), creation("ada"), event({ text })];
		expect(lane.requests).toEqual([...requestsFor("x"), ...requestsFor("y")]);
	});

	test("is created again if deleted after an event had reached them", async () => {
		const { known } = await deliver([track("x")], missing);
		const lane = await deliver([track("y")], known, now, empty());
		expect(lane.requests).toEqual([event({ text: "y" }), creation("ada"), event({ text: "y" })]);
	});

	test("is created again if deleted after a login that the creation had settled", async () => {
		const { known, requests } = await deliver([login({ name: "Ada" })], missing);
		expect(requests).toEqual([creation("Ada")]);
		const lane = await deliver([track("y")], known, now + day, empty());
		expect(lane.ends).toEqual(["delivered"]);
		expect(lane.requests).toContainEqual(creation("ada"));
	});

	test("is sent all attributes again after having been deleted", async () => {
		const { known } = await deliver([login({ phone: "1", plan: "pro" })]);
		const after = await deliver([track("x")], known, now, empty());
		expect((await deliver([login({ phone: "1", plan: "pro" })], after.known)).requests).toEqual([
			profile({ person: { phone: "1" } }, 0),
			data({ plan: "pro" }, 1),
		]);
	});

	test("cannot be created without an e-mail, so the event is given up and nothing remembered", async () => {
		const person = { userId: "u-1", ids: { crisp: "p-1" } };
		const lane = await deliver([track("x", { person })], {}, now, empty());
		expect(lane).toMatchObject({ ends: ["dead: unknown_person"], known: {} });
		expect(lane.requests).toHaveLength(1);
	});

	test("under one people_id is still tried under another one given later", async () => {
		const person = (crisp: string) => ({ ...ada, ids: { crisp } });
		const known = await learn(crisp, track("x", { person: person("p-1") }), [nobody], { now });
		const plan = crisp.plan([track("x", { person: person("p-2") })], known, now);
		expect(sent(plan)).toEqual(event({ text: "x" }, "website/site-1/people/events/p-2"));
	});

	test("under a given people_id is addressed by e-mail from then on", async () => {
		const x = track("x", { person: { ...ada, ids: { crisp: "p-1" } } });
		const eventAt = (address: string) => event({ text: "x" }, `website/site-1/people/events/${address}`);
		const lane = await deliver([x, x], {}, now, ({ path }) => (path.endsWith("/p-1") ? nobody : done));
		expect(lane.requests).toEqual([eventAt("p-1"), eventAt(ada.email), eventAt(ada.email)]);
	});

	test("costs no request for an update without attributes", async () => {
		expect((await deliver([login({})], missing)).requests).toEqual([]);
	});

	test.each(creations)("with createPeople %s and trusted %s is %s", (createPeople, trusted, planned) => {
		const plan = provider({ createPeople }).plan([stored({ type: "track", name: "x" }, trusted)], missing, now);
		expect(plan).toMatchObject(creationPlans[planned]);
	});

	test("is not asked for again within an hour if they may not be created", async () => {
		const never = provider({ createPeople: "never" });
		expect(never.plan([track("x")], missing, now + hour - 1).kind).toBe("discard");
		const plan = never.plan([track("x")], missing, now + hour);
		expect(plan).toMatchObject({ request: { purpose: "event" } });
		const still = await learn(never, track("x"), [nobody], { known: missing, now: now + hour });
		expect(never.plan([track("x")], still, now + 2 * hour - 1).kind).toBe("discard");
	});
});

describe("where creation comes first, a person of whom nothing is known", () => {
	const eager = provider({ createFirst: true, occurredAt: "never" });
	const add = (events: StoredEvent[], known: Known = {}, replies: (request: Sent) => Reply = taken, at = now) =>
		deliverLane(eager, events, replies, { known, now: at });
	const isCreation = ({ method, path }: Sent) => method === "POST" && path.endsWith("/profile");
	const creation = (person: object, more = {}) => ({
		...{ method: "POST", path: "website/site-1/people/profile", settles: 0 },
		body: { email: ada.email, person, ...more },
	});
	/** Answers creations so, and accepts all else. */
	const answering = (reply: Reply) => (request: Sent) => (isCreation(request) ? reply : done);
	/** Simulates Crisp without the person, which refuses creations so at first, `times` times. */
	const emptyAfter = (reply: Reply, times: number) => {
		let [left, isThere] = [times, false];
		return (request: Sent) => {
			if (!isCreation(request)) return isThere ? done : nobody;
			if (left-- > 0) return reply;
			isThere = true;
			return done;
		};
	};
	const refused = (status: number, reason: string, message?: string): Reply => [
		status,
		{ error: true, reason, data: message === undefined ? {} : { message } },
	];

	test("is created without being asked for, once", async () => {
		const { requests, ends, known } = await add([track("x"), track("y")]);
		expect(requests).toEqual([creation({ nickname: "ada" }), event({ text: "x" }), event({ text: "y" })]);
		expect(ends).toEqual(["delivered", "delivered"]);
		expect((await add([track("z")], known, taken, now + 100 * day)).requests).toEqual([event({ text: "z" })]);
	});

	test("is created with all that a creation carries", async () => {
		const { requests } = await add([track("x"), login({ name: "Ada", phone: 1, segments: ["vip"], plan: "pro" })]);
		expect(requests[0]).toEqual(creation({ nickname: "Ada" }));
		const own = await add([login({ name: "Ada", phone: 1, segments: ["vip"], plan: "pro" })]);
		const first = creation({ nickname: "Ada", phone: "1" }, { segments: ["vip"] });
		expect(own.requests).toEqual([first, data({ plan: "pro" }, 1)]);
	});

	test("may be shown up to 100 events, for the name that a later one sets", () => {
		expect([eager.batch, crisp.batch]).toEqual([100, undefined]);
	});

	test.each<[number, string, string?]>([
		[409, "people_exists"],
		[409, "anything"],
		[400, "already_exists"],
		[400, "people_exists"],
		[422, "email_taken"],
		[400, "duplicate_email"],
		[403, "people_already_exists"],
		[400, "invalid_data", "a profile with this email already exists"],
	])("goes on if the answer is %d %s %s: they exist", async (status, reason, message) => {
		const { requests, ends, known } = await add([login({ name: "Ada" }), track("x")], {}, (request) =>
			answering(refused(status, reason, message))(request),
		);
		expect(requests).toEqual([
			creation({ nickname: "Ada" }),
			profile({ person: { nickname: "Ada" } }, 1),
			event({ text: "x" }),
		]);
		expect(ends).toEqual(["delivered", "delivered"]);
		expect((await add([track("y")], known)).requests).toEqual([event({ text: "y" })]);
	});

	test.each<[number, string]>([
		[400, "invalid_data"],
		[402, "people_limit_reached"],
		[403, "not_allowed"],
		[404, "not_found"],
		[405, "restricted_route_tier"],
		[422, "invalid_data"],
		[400, "website_not_exists"],
		[402, "limit_already_reached"],
		[422, "people_limit_reached"],
		[422, "too_many_people"],
	])("who exists gets all events if a creation is refused with %d %s", async (status, reason) => {
		const { requests, ends, known } = await add([track("x"), track("y")], {}, answering(refused(status, reason)));
		expect(requests).toEqual([creation({ nickname: "ada" }), event({ text: "x" }), event({ text: "y" })]);
		expect(ends).toEqual(["delivered", "delivered"]);
		expect((await add([track("z")], known)).requests).toEqual([event({ text: "z" })]);
	});

	test.each<[string, string?]>([
		["people_maximum_already_reached"],
		["not_allowed", "You have already reached the number of contacts of your plan."],
		["not_allowed", "already exceeded"],
	])("who does not exist waits if the plan is full, as 403 %s %s says", async (...words) => {
		const { held } = await add([track("x")], {}, emptyAfter(refused(403, ...words), 99));
		expect(held).toMatchObject({ kind: "paused", status: 403 });
	});

	test("who does not exist is created after the refusal of an event, as if creation did not come first", async () => {
		const { requests, ends } = await add([track("x")], {}, emptyAfter(refused(400, "invalid_data"), 1));
		const first = creation({ nickname: "ada" });
		expect(requests).toEqual([first, event({ text: "x" }), first, event({ text: "x" })]);
		expect(ends).toEqual(["delivered"]);
	});

	test("and whom Crisp never takes is given up", async () => {
		const { requests, ends } = await add([track("x")], {}, emptyAfter(refused(400, "invalid_data"), 99));
		expect(ends).toEqual(["dead: invalid_data"]);
		expect(requests).toHaveLength(3);
	});

	test.each<[number, string?]>([[500], [503, "<html>"]])(
		"is sent the event next if the creation fails with %d",
		async (...reply) => {
			const { held, known } = await add([track("x")], {}, answering(reply));
			expect(held).toMatchObject({ kind: "retry", status: reply[0] });
			expect((await add([track("x")], known)).requests).toEqual([event({ text: "x" })]);
		},
	);

	test.each<[number, object?]>([[429], [420], [401, { error: true, reason: "invalid_session" }]])(
		"is created next if the creation was answered %d, which is not about it",
		async (...reply) => {
			const { held, known } = await add([track("x")], {}, answering(reply));
			expect(held?.kind).toMatch(/wait|paused/);
			expect((await add([track("x")], known)).requests[0]).toEqual(creation({ nickname: "ada" }));
		},
	);

	test("is created again, but asked for first, if deleted later", async () => {
		const { known } = await add([track("x")]);
		const { requests, ends } = await add([track("y")], known, emptyAfter(done, 0));
		expect(requests).toEqual([event({ text: "y" }), creation({ nickname: "ada" }), event({ text: "y" })]);
		expect(ends).toEqual(["delivered"]);
	});

	test("is created where the last knowledge is of an hour ago, that they were missing", async () => {
		const known = await learn(crisp, track("x"), [nobody], { now });
		const { requests } = await add([track("x")], known, taken, now + hour);
		expect(requests).toEqual([creation({ nickname: "ada" }), event({ text: "x" })]);
	});

	test.each(creations)("with createPeople %s and trusted %s is %s", (createPeople, trusted, planned) => {
		const plan = provider({ createFirst: true, createPeople }).plan(
			[stored({ type: "track", name: "x" }, trusted)],
			{},
			now,
		);
		const asked = { kind: "send", request: { purpose: "event" } };
		const created = { kind: "send", request: { path: ["website", "site-1", "people", "profile"] } };
		expect(plan).toMatchObject(planned === "created" ? created : asked);
	});

	test("is created for an event worth a profile alone, where a list says so", () => {
		const listed = provider({ createFirst: true, createPeople: ["confirmation"] });
		expect(listed.plan([track("x")], {}, now, false)).toMatchObject({ request: { purpose: "event" } });
		const plan = listed.plan([track("x")], {}, now, true);
		expect(plan).toMatchObject({ request: { path: ["website", "site-1", "people", "profile"] } });
	});

	test.each<[string, Known]>([
		["of a people_id", { of: "p-1", id: "p-1" }],
		["of a wrong people_id", { wrongId: "p-1" }],
	])("is not created where something is remembered %s", (_, known) => {
		expect(eager.plan([track("x")], known, now)).toMatchObject({ request: { purpose: "event" } });
	});

	test("is not created under a people_id, or an e-mail that fits into no path", async () => {
		const byId = { ...ada, ids: { crisp: "p-1" } };
		expect(eager.plan([track("x", { person: byId })], {}, now)).toMatchObject({ request: { purpose: "event" } });
		const odd = track("x", { person: { email: "a/b@x" } });
		expect(eager.plan([odd], {}, now)).toMatchObject({ kind: "refuse", reason: "unbuildable" });
	});

	test("costs no request for an update without attributes", async () => {
		expect((await add([login({})])).requests).toEqual([]);
	});
});

test("the daily allowance depends on the token's tier", () => {
	expect(provider({ tier: "website" }).allowance).toEqual({ requests: 10_000, per: "day" });
	expect(provider({ tier: "plugin" }).allowance).toEqual({ requests: 5_000, per: "day" });
});
