import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Rule } from "../../../server/config/rule.ts";
import { rankOf } from "../../../server/ingest/rank.ts";
import { createChoices } from "../../../server/routing/choices.ts";
import { matcherOf } from "../../../server/routing/pattern.ts";
import { type Addressed, createRouting } from "../../../server/routing/route.ts";
import { asRuled, hasExpired, orderOf } from "../../../server/routing/ruled.ts";
import type { StoredEvent } from "../../../server/stored-event.ts";
import { colors, eventTypes } from "../../../shared/event.ts";
import { type Fields, storedEvent } from "../../support/one-event.ts";

const ada = { email: "ada@example.com" };
const place = (name: string, more: Partial<Addressed> = {}): Addressed => ({
	name,
	maxWait: 604_800_000,
	addresses: () => true,
	...more,
});
const places = [place("chat"), place("mail")];
const stored = (fields: Fields, more: Partial<StoredEvent> = {}): StoredEvent => ({
	...storedEvent({ person: ada, ...fields }),
	...more,
});
const routed = (rules: Rule[], event: StoredEvent, at = places) => createRouting(rules, at)(event);
/** Routes an event and returns it as it is delivered to a destination. */
const deliveredAs = (rules: Rule[], event: StoredEvent, name = "chat") =>
	asRuled({ ...event, ruled: routed(rules, event).ruled }, name);

describe("an event worth a profile", () => {
	const at = [
		place("chat", { worthProfile: ["confirmation", "basket:*"] }),
		place("mail", { worthProfile: ["login"] }),
		place("plain"),
	];
	const earning = (rules: Rule[], fields: Fields) =>
		Object.entries(routed(rules, stored(fields), at).exceptions ?? {}).flatMap(([name, { earns }]) =>
			earns ? [name] : [],
		);

	it.each<[string, Rule[], Fields, string[]]>([
		["by its type", [], { type: "login" }, ["mail"]],
		["by its name", [], { name: "basket:added" }, ["chat"]],
		["not by another name", [], { name: "basket" }, []],
		[
			"by what a rule makes of it",
			[{ event: "paid", as: "confirmation" }],
			{ name: "paid", data: { orderId: "A" } },
			["chat"],
		],
		[
			"not by what a rule could not make of it",
			[{ event: "paid", as: "confirmation" }],
			{ name: "paid", data: {} },
			[],
		],
		["by the name that a rule gives", [{ event: "added", name: "basket:added" }], { name: "added" }, ["chat"]],
		[
			"by its own name, whatever a rule makes of it",
			[{ event: "basket:*", name: "cart" }],
			{ name: "basket:x" },
			["chat"],
		],
	])("is told %s, for each destination", (_, rules, fields, names) => {
		expect(earning(rules, { type: "track", name: "x", ...fields } as Fields)).toEqual(names);
	});
});

describe("a pattern", () => {
	const track = (name: string) => ({ type: "track" as const, name });
	it.each<[string, string[], string[]]>([
		["purchase", ["purchase"], ["purchase:x", "Purchase"]],
		["basket:*", ["basket:", "basket:item:added"], ["basket", "my basket:"]],
		["*:viewed", ["product:viewed", ":viewed"], ["viewed", "product:viewed:x"]],
		["a*b*c", ["abc", "a-b-c", "abbbcc"], ["acb", "ab", "ac"]],
		["a*a", ["aa", "aba"], ["a"]],
		["**", ["", "x"], []],
		["*", ["x", "login"], []],
	])("%s is compared with the whole name of a track", (pattern, yes, no) => {
		for (const name of yes) expect([name, matcherOf(pattern)(track(name))]).toEqual([name, true]);
		for (const name of no) expect([name, matcherOf(pattern)(track(name))]).toEqual([name, false]);
	});

	it("that names a type means the type, and no track of this name", () => {
		expect(matcherOf("login")({ type: "login" })).toBe(true);
		expect(matcherOf("login")(track("login"))).toBe(false);
	});

	it("* alone matches every type, and a name with * only tracks", () => {
		expect(eventTypes.map((type) => matcherOf("*")({ type, name: "x" }))).not.toContain(false);
		expect(matcherOf("p*")({ type: "page" })).toBe(false);
	});

	it("takes linear time", () => {
		const matches = matcherOf(`${"a*".repeat(60)}b`);
		const before = performance.now();
		for (let run = 0; run < 1_000; run += 1) matches(track("a".repeat(120)));
		expect(performance.now() - before).toBeLessThan(1_000);
	});
});

describe("destinations", () => {
	it("get all but page views by default, and what their `events` list otherwise", () => {
		const at = [place("chat"), place("mail", { events: ["confirmation", "login", "basket:*"] })];
		const to = (fields: Fields) => routed([], stored(fields), at).destinations;
		expect(to({ type: "page" })).toEqual([]);
		expect(to({ name: "basket:item:added" })).toEqual(["chat", "mail"]);
		expect(to({ name: "product:viewed" })).toEqual(["chat"]);
		expect(to({ type: "login" })).toEqual(["chat", "mail"]);
		expect(to({ type: "update" })).toEqual(["chat"]);
	});

	it("get what a rule sends, and nothing that one does not, whatever their `events`", () => {
		const at = [place("chat"), place("mail", { events: ["login"] })];
		const rules: Rule[] = [
			{ event: "page", to: ["mail"], send: true },
			{ event: "*", to: ["chat"], send: false },
			{ event: "purchase", send: true },
		];
		const to = (fields: Fields) => routed(rules, stored(fields), at).destinations;
		expect(to({ type: "page" })).toEqual(["mail"]);
		expect(to({ type: "login" })).toEqual(["mail"]);
		expect(to({ name: "purchase" })).toEqual(["chat", "mail"]);
		expect(to({ name: "other" })).toEqual([]);
	});

	it("that cannot address the person are named, unless the event is not for them", () => {
		const at = [place("chat", { addresses: ({ email }) => email !== undefined }), place("mail")];
		const person = { userId: "7" };
		const rules: Rule[] = [{ event: "hidden", send: false }];
		expect(routed(rules, stored({ person }), at)).toMatchObject({
			destinations: ["mail"],
			skipped: [{ destination: "chat", reason: "not_addressable" }],
		});
		expect(routed(rules, stored({ person, name: "hidden" }), at)).toMatchObject({ destinations: [], skipped: [] });
	});
});

describe("rules", () => {
	it("apply in their order to the event as it was captured, and of one key the later wins", () => {
		const rules: Rule[] = [
			{ event: "product:*", name: "Looked", color: "blue" },
			{ event: "product:viewed", name: "Product viewed" },
			// Matches no captured name.
			{ event: "Product viewed", color: "red" },
		];
		expect(deliveredAs(rules, stored({ name: "product:viewed" })).event).toMatchObject({
			type: "track",
			name: "Product viewed",
			color: "blue",
		});
	});

	it("apply to the destinations in `to`, and to the calls of the tracker in `via`", () => {
		const rules: Rule[] = [{ event: "x", to: ["mail"], via: "gtag", name: "y" }];
		const event = stored({});
		const taken = { ...event, event: { ...event.event, context: { via: "gtag" } } };
		const names = (each: StoredEvent) =>
			["chat", "mail"].map((name) => "name" in each.event && deliveredAs(rules, each, name).event);
		expect(names(taken)).toMatchObject([{ name: "x" }, { name: "y" }]);
		expect(names(event)).toMatchObject([{ name: "x" }, { name: "x" }]);
	});

	it("rename an event of any type but logins and updates, which have no name", () => {
		const rules: Rule[] = [{ event: "*", name: "Renamed", color: "pink", send: true }];
		for (const type of ["page", "email_open", "track"])
			expect(deliveredAs(rules, stored({ type })).event).toMatchObject({ type, name: "Renamed", color: "pink" });
		for (const type of ["login", "update"]) {
			const event = stored({ type });
			expect(deliveredAs(rules, event)).toEqual({ ...event, ruled: routed(rules, event).ruled });
			expect(routed(rules, event).ruled).toBeUndefined();
		}
	});

	it("make a track of any event, with its data, and of a page with its address", () => {
		const rules: Rule[] = [{ event: "*", as: "track", send: true }];
		const page = stored({ type: "page", data: { a: 1 } });
		const visited = { ...page, event: { ...page.event, context: { url: "https://shop.example/", title: "Shop" } } };
		expect(deliveredAs(rules, visited).event).toMatchObject({
			type: "track",
			name: "page",
			data: { url: "https://shop.example/", title: "Shop", a: 1 },
		});
		const login = stored({ type: "login", data: { plan: "pro" } });
		expect(deliveredAs([{ event: "login", as: "track", name: "Logged in" }], login).event).toMatchObject({
			type: "track",
			name: "Logged in",
			data: { plan: "pro" },
		});
		expect(routed(rules, login).exceptions).toMatchObject({ chat: { alone: true } });
	});

	it("give an event the rank of another type, within its trust", () => {
		for (const trusted of [false, true]) {
			const event = stored({ type: "page" }, { trusted });
			const rules: Rule[] = [{ event: "page", send: true, rank: "confirmation", to: ["chat"] }];
			expect(routed(rules, event).exceptions).toEqual({ chat: { rank: rankOf("confirmation", trusted) } });
			expect(rankOf("confirmation", false)).toBeGreaterThan(rankOf("page", true));
		}
	});

	it("let events be merged, but no purchase, login or update", () => {
		const rules: Rule[] = [{ event: "*", digest: true, send: true, to: ["chat"] }];
		for (const type of eventTypes) {
			const data = type === "confirmation" ? { orderId: "1" } : {};
			const event = stored({ type, data });
			const isMerged = ["track", "page", "email_open"].includes(type);
			expect([type, deliveredAs(rules, event).digest]).toEqual([type, isMerged ? true : undefined]);
			expect(routed(rules, event).exceptions).toEqual(isMerged ? { chat: { alone: false } } : undefined);
		}
		const purchase: Rule[] = [{ event: "x", as: "confirmation", digest: true }];
		expect(deliveredAs(purchase, stored({ data: { orderId: 1 } })).digest).toBeUndefined();
		// Nor one without a readable order, nor what was captured as one of these and is sent as a track.
		expect(deliveredAs(purchase, stored({ data: {} })).digest).toBeUndefined();
		for (const type of ["login", "update", "confirmation"] as const) {
			const event = stored({ type, data: type === "confirmation" ? { orderId: "1" } : {} });
			const asTrack: Rule[] = [...rules, { event: type, as: "track" }];
			expect(deliveredAs(asTrack, event)).toMatchObject({ event: { type: "track" } });
			expect(deliveredAs(asTrack, event).digest).toBeUndefined();
		}
	});

	it("let events expire some time after their capture", () => {
		const rules: Rule[] = [{ event: "x", expires: "2h", to: ["chat"] }];
		const event = stored({});
		const { at } = event.event;
		const route = routed(rules, event);
		const kept = { ...event, ruled: route.ruled };
		expect(hasExpired(kept, "chat", at + 7_200_000 - 1)).toBe(false);
		expect(hasExpired(kept, "chat", at + 7_200_000)).toBe(true);
		expect(hasExpired(kept, "mail", at + 1e12)).toBe(false);
		expect(route.exceptions).toEqual({ chat: { lapses: true } });
		const late = routed(rules, { ...event, receivedAt: at + 7_200_000 });
		expect(late.destinations).toEqual(["mail"]);
		expect(late.skipped).toEqual([{ destination: "chat", reason: "expired" }]);
	});

	it.each([
		["90s", 90_000],
		["5m", 300_000],
		["2h", 7_200_000],
		["3d", 259_200_000],
	])("measure %s", (expires, ms) => {
		expect(routed([{ event: "x", to: ["chat"], expires }], stored({})).ruled?.chat).toEqual({ expires: ms });
	});

	it("leave an event that expires after `maxWait` to that limit", () => {
		const short = [place("chat", { maxWait: 1_000 })];
		expect(routed([{ event: "x", expires: "2h" }], stored({}), short).exceptions).toBeUndefined();
	});
});

describe("a purchase that a rule makes", () => {
	const rules: Rule[] = [{ event: "purchase", as: "confirmation", pick: { orderId: "order.id", total: "value" } }];
	const purchase = (data: Record<string, unknown>, more: Partial<StoredEvent> = {}) =>
		stored({ name: "purchase", data }, more);

	it("has what is picked from the data, tidied as a page's purchase is", () => {
		const data = {
			order: { id: 1001 },
			value: "99.90",
			items: [{ id: "a", quantity: "2", price: 3 }, { id: "b" }],
			other: "left",
		};
		expect(deliveredAs(rules, purchase(data)).event).toEqual({
			...{ id: expect.any(String), at: expect.any(Number), person: ada, color: undefined, context: undefined },
			type: "confirmation",
			data: { orderId: "1001", total: 99.9, items: [{ id: "a", quantity: 2, price: 3 }] },
		});
	});

	it("has all of the data without `pick`", () => {
		const event = purchase({ orderId: " A-1 ", total: 5, coupon: "X" });
		expect(deliveredAs([{ event: "purchase", as: "confirmation" }], event).event.data).toEqual({
			...{ orderId: "A-1", total: 5, coupon: "X" },
		});
	});

	it.each<[string, Record<string, unknown>, Record<string, string>, unknown]>([
		["a list", { rows: [{ id: "A" }] }, { orderId: "rows.0.id" }, "A"],
		["data.", { order: { id: "B" } }, { orderId: "data.order.id" }, "B"],
		["a field called data", { data: { id: "C" } }, { orderId: "data.id" }, "C"],
	])("is read by a path through %s", (_through, data, pick, orderId) => {
		expect(orderOf(data, pick)?.orderId).toBe(orderId);
	});

	it("reads only what the data itself has", () => {
		expect(orderOf({ a: [] }, { orderId: "a.length" })).toMatchObject({ orderId: "0" });
		expect(orderOf({ a: "text" }, { orderId: "a.length" })).toBeUndefined();
		expect(orderOf({}, { orderId: "constructor.name" })).toBeUndefined();
		expect(orderOf(undefined, undefined)).toBeUndefined();
	});

	it.each([{}, { order: {} }, { order: { id: "" } }, { order: { id: "undefined" } }, { order: { id: {} } }])(
		"stays as it was captured if no order can be read from %j, and is counted",
		(data) => {
			const also: Rule[] = [...rules, { event: "purchase", name: "Order", color: "red", rank: "confirmation" }];
			const event = purchase(data);
			const route = routed(also, event);
			expect(route.unreadOrders).toEqual(["chat", "mail"]);
			expect(route.orders).toEqual([]);
			expect(deliveredAs(also, event).event).toEqual({ ...event.event, color: "red" });
		},
	);

	it("ranks as a purchase, and counts once for each destination, as the others do there", () => {
		const once: Rule[] = rules.map((rule) => ({ ...rule, to: ["chat"] }));
		const made = routed(once, purchase({ order: { id: "A" } }));
		expect(made.exceptions).toEqual({ chat: { rank: rankOf("confirmation", false) } });
		expect(made.orders).toEqual([{ destination: "chat", orderId: "A" }]);
		const real = stored({ type: "confirmation", data: { orderId: "A" } });
		expect(routed(once, real).orders).toEqual([{ destination: "chat", orderId: "A" }]);
		expect(routed([], real).orders).toBeUndefined();
	});
});

describe("routing", () => {
	const names = fc.constantFrom("x", "x:y", "login", "constructor", "__proto__", "purchase");
	const rule: fc.Arbitrary<Rule> = fc.record(
		{
			event: fc.oneof(fc.constantFrom(...eventTypes, "*", "x*", "*y", "p*e"), names),
			to: fc.subarray(["chat", "mail", "constructor"], { minLength: 1 }),
			via: fc.constantFrom("gtag", "fbq"),
			send: fc.boolean(),
			name: names,
			as: fc.constantFrom("track" as const, "confirmation" as const),
			pick: fc.dictionary(fc.constantFrom("orderId", "total", "items", "more"), fc.constantFrom("a", "a.b", "b.0.c")),
			color: fc.constantFrom(...colors),
			expires: fc.constantFrom("90s", "2h", "999999d"),
			digest: fc.constant(true as const),
			rank: fc.constantFrom(...eventTypes),
		},
		{ requiredKeys: ["event"] },
	);
	const value = fc.oneof(
		fc.string(),
		fc.double(),
		fc.constant(null),
		fc.dictionary(fc.constantFrom("b", "c"), fc.jsonValue()),
	);
	const event = fc
		.record({
			type: fc.constantFrom(...eventTypes),
			name: names,
			data: fc.dictionary(fc.constantFrom("a", "b", "orderId", "total", "items"), value),
			via: fc.constantFrom(undefined, "gtag", "other"),
			trusted: fc.boolean(),
			late: fc.constantFrom(0, 90_000, 9_000_000),
		})
		.map(({ type, name, data, via, trusted, late }): StoredEvent => {
			const order = type === "confirmation" ? { orderId: "A" } : data;
			const made = { ...stored({ type, data: order }), trusted };
			const named = type === "track" ? { name } : {};
			const captured = { ...made.event, ...named, context: via === undefined ? undefined : { via } };
			return { ...made, event: captured as StoredEvent["event"], receivedAt: made.event.at + late };
		});
	const at = [
		place("chat", { addresses: ({ email }) => email !== undefined }),
		place("mail", { events: ["confirmation", "x*", "page"] }),
		place("constructor", { maxWait: 1_000 }),
	];

	it("is pure and total, whatever the rules, and the same whatever came before", () => {
		const run = fc.tuple(fc.array(rule, { maxLength: 6 }), fc.array(event, { minLength: 1, maxLength: 4 }));
		fc.assert(
			fc.property(run, ([rules, events]) => {
				const before = JSON.stringify([rules, events]);
				const shared = createRouting(rules, at);
				for (const each of events) {
					const route = shared(each);
					expect(createRouting(rules, at)(each)).toEqual(route);
					expect(shared(each)).toEqual(route);
					const kept = JSON.parse(JSON.stringify({ ...each, ruled: route.ruled })) as StoredEvent;
					for (const { name } of at) {
						const isSent = route.destinations.includes(name);
						const isSkipped = route.skipped.some(({ destination }) => destination === name);
						const { isSent: isChosen } = createChoices(rules)(
							each.event,
							each.event.context?.via,
							at.find((one) => one.name === name) ?? place(name),
						);
						expect(isSent || isSkipped).toBe(isChosen);
						expect(isSent && isSkipped).toBe(false);
						const { event: delivered } = asRuled(kept, name);
						// Nothing becomes a login or an update.
						const { type } = each.event;
						expect([type, "track", "confirmation"]).toContain(delivered.type);
						expect(delivered.person).toEqual(kept.event.person);
						// No rule lifts an event over those with more trust.
						const rank =
							route.exceptions && Object.hasOwn(route.exceptions, name) ? route.exceptions[name]?.rank : undefined;
						if (rank !== undefined) expect(rank < eventTypes.length).toBe(each.trusted);
					}
				}
				expect(JSON.stringify([rules, events])).toBe(before);
			}),
			{ numRuns: 500 },
		);
	});

	it("forgets kinds of events, so that visitors' names take no room", () => {
		const route = createRouting([{ event: "x*", color: "red" }], places);
		for (let n = 0; n < 5_000; n += 1) route(stored({ name: `x${n}` }));
		expect(route(stored({ name: "x1" })).ruled).toEqual({ "*": { color: "red" } });
	});

	it("says what is the same at all destinations of an event once", () => {
		const rules: Rule[] = [
			{ event: "x", color: "red" },
			{ event: "y", color: "red" },
			{ event: "y", to: ["chat"], color: "blue" },
		];
		const [x, y] = [stored({ name: "x" }), stored({ name: "y" })];
		expect(routed(rules, x).ruled).toEqual({ "*": { color: "red" } });
		expect(routed(rules, y).ruled).toEqual({ chat: { color: "blue" }, mail: { color: "red" } });
		for (const name of ["chat", "mail"]) expect(deliveredAs(rules, x, name).event.color).toBe("red");
	});

	it("makes one route for all events that rules treat alike, also where some of it depends on the event", () => {
		const route = createRouting([{ event: "*", expires: "2h", rank: "login" }], places);
		const [x, y] = [route(stored({ name: "x" })), route(stored({ name: "y" }))];
		expect(y).toBe(x);
		const late = () => route({ ...stored({ name: "x" }), receivedAt: Number.MAX_SAFE_INTEGER });
		expect(late().destinations).toEqual([]);
		expect(late().destinations).toBe(late().destinations);
	});
});
