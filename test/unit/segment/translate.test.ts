import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkEvent } from "../../../server/ingest/check-event.ts";
import { emailOfUserId, type Translated, translate } from "../../../server/segment/translate.ts";

const now = Date.UTC(2026, 0, 1, 12);
const iso = (time: number) => new Date(time).toISOString();
const options = { type: undefined, sentAt: undefined, readsToken: false, now };
const read = (call: unknown, more: Partial<typeof options> & { type?: string } = {}) =>
	translate(call, { ...options, ...more } as Parameters<typeof translate>[1]) as Translated;
const ada = { email: "ada@example.com" };
const messageId = "0198f1c2-7d0e-7cc3-98c4-dc0c0c07398f";

describe("a call becomes", () => {
	it.each([
		[
			"a login, whose attributes are the traits",
			{ type: "identify", traits: { ...ada, firstName: "Ada", plan: "pro", company: { name: "Engines" } } },
			{ type: "login", data: { firstname: "Ada", plan: "pro", company: "Engines" } },
		],
		[
			"a login of context.traits, which yield to the traits",
			{ type: "identify", traits: { plan: "pro" }, context: { traits: { plan: "free", ...ada, lastName: "L" } } },
			{ type: "login", data: { plan: "pro", lastname: "L" } },
		],
		[
			"a track",
			{ type: "track", event: "Signed Up", properties: { a: 1 } },
			{ type: "track", name: "Signed Up", data: { a: 1 } },
		],
		[
			"a track without properties",
			{ type: "track", event: "x", properties: null },
			{ type: "track", name: "x", data: {} },
		],
		[
			"a purchase",
			{
				type: "track",
				event: "Order Completed",
				properties: { order_id: "A-1", revenue: "20.5", products: [{ sku: "s" }] },
			},
			{ type: "confirmation", data: { orderId: "A-1", total: 20.5, items: [{ id: "s", quantity: 1 }] } },
		],
		[
			"a purchase of whose products nothing can be read",
			{ type: "track", event: "Order Completed", properties: { order_id: 7, products: "two", items: null } },
			{ type: "confirmation", data: { orderId: 7 } },
		],
		[
			"a track of a purchase with an amount that cannot be read as one",
			{ type: "track", event: "Order Completed", properties: { order_id: 7, total: { trim: 1, toString: 1 } } },
			{ type: "track", name: "Order Completed", data: { order_id: 7, total: { trim: 1, toString: 1 } } },
		],
		[
			"a purchase with an amount that is an object, which ingest leaves out",
			{ type: "track", event: "Order Completed", properties: { order_id: 7, total: { toString: 1, valueOf: 1 } } },
			{ type: "confirmation", data: { orderId: 7, total: { toString: 1, valueOf: 1 } } },
		],
		[
			"a track that has the name of a type",
			{ type: "track", event: "confirmation", properties: { orderId: 7 } },
			{ type: "track", name: "confirmation", data: { orderId: 7 } },
		],
		[
			"a track about no shop, whose properties stay as they are",
			{ type: "track", event: "Tea Brewed", properties: { sku: "s", items: "two", firstName: "Ada" } },
			{ type: "track", name: "Tea Brewed", data: { sku: "s", items: "two", firstName: "Ada" } },
		],
		[
			"a track of a purchase without the id of its order",
			{ type: "track", event: "Order Completed", properties: { revenue: 3 } },
			{ type: "track", name: "Order Completed", data: { revenue: 3 } },
		],
		[
			"a standard event of a shop",
			{ type: "track", event: "Product Added", properties: { sku: "s" } },
			{ type: "track", name: "addtocart", data: { itemId: "s", product_id: "s", sku: "s" } },
		],
		[
			"a page view, without what may be secret in an address",
			{
				type: "page",
				name: "Reset",
				properties: {
					url: "https://u:p@shop.example/reset?token=s3cret&utm_source=mail#s3cret",
					tab_url: "https://shop.example/reset?token=s3cret",
					referrer: "https://shop.example/?q=s3cret",
					search: "?token=s3cret",
					path: "/reset",
					title: "Reset",
				},
			},
			{
				type: "page",
				data: { name: "Reset", path: "/reset", tab_url: "https://shop.example/reset" },
				context: {
					url: "https://shop.example/reset?utm_source=mail",
					referrer: "https://shop.example/",
					title: "Reset",
				},
			},
		],
		[
			"a page view of a screen",
			{ type: "screen", name: "Basket", category: "Shop", properties: { a: 1 } },
			{ type: "page", data: { name: "Basket", category: "Shop", a: 1 } },
		],
	])("%s", (_what, call, expected) => {
		const { event } = read(call);
		expect(JSON.parse(JSON.stringify(event))).toMatchObject(JSON.parse(JSON.stringify(expected)));
		expect(JSON.parse(JSON.stringify(event.data ?? {}))).toEqual(expected.data);
		expect(JSON.stringify(event)).not.toContain("s3cret");
	});

	it("an event with the page, language and time zone of its context, never with the address or agent", () => {
		const context = {
			page: { url: "https://shop.example/a?secret=1", title: "A", referrer: "$direct" },
			locale: "de-DE",
			timezone: "Europe/Vienna",
			ip: "192.0.2.7",
			userAgent: "Secret/1.0",
		};
		const { event } = read({ type: "track", event: "x", properties: { url: "kept" }, context });
		expect(JSON.parse(JSON.stringify(event))).toMatchObject({
			data: { url: "kept" },
			context: { url: "https://shop.example/a", title: "A", locale: "de-DE", timezone: "Europe/Vienna" },
		});
		expect(JSON.stringify(event)).not.toMatch(/192\.0\.2\.7|Secret|direct/);
	});

	it.each([
		["group", { type: "group", groupId: "g" }],
		["alias", { type: "alias", previousId: "a" }],
		["screen_without_name", { type: "screen" }],
		["screen_without_name", { type: "screen", name: 7 }],
		["unknown_type", { type: "identify " }],
		["unknown_type", { type: "constructor" }],
		["unknown_type", { type: ["track"] }],
		["unknown_type", {}],
		["unknown_type", null],
		["unknown_type", []],
		["unknown_type", "track"],
	])("nothing, for the reason %s", (reason, call) => expect(read(call)).toBe(reason));
});

describe("the person of a call", () => {
	it.each([
		["traits", { traits: ada, context: { traits: { email: "eve@example.com" } } }, "ada@example.com"],
		["context.traits", { context: { traits: ada } }, "ada@example.com"],
		[
			"context.traits, if the traits have none",
			{ traits: { email: "none" }, context: { traits: ada } },
			"ada@example.com",
		],
		["nothing else", { email: "x@example.com", properties: { email: "y@example.com" } }, undefined],
	])("has the e-mail of %s", (_where, call, email) =>
		expect(read({ type: "track", event: "x", userId: 7, ...call }).person).toEqual({
			...(email && { email }),
			userId: "7",
			anonymousId: undefined,
		}),
	);

	it.each([
		["ada@example.com", "ada@example.com"],
		["ada", undefined],
		["@", undefined],
		[undefined, undefined],
		[7, undefined],
	])("with the userId %j has the e-mail %j", (userId, email) => expect(emailOfUserId({ userId })).toBe(email));

	it.each(["", "undefined", "null", null, "  "])("is nobody with the userId %j", (userId) =>
		expect(read({ type: "track", event: "x", userId }).person.userId).toBeUndefined(),
	);

	it("has the token of the traits, which is no attribute, only where tokens are read", () => {
		const call = { type: "identify", traits: { token: "t", plan: "pro" } };
		expect(read(call, { readsToken: true })).toMatchObject({
			person: { token: "t" },
			event: { data: { plan: "pro" } },
		});
		expect(read(call).event.data).toEqual({ plan: "pro", token: "t" });
		expect(read(call).person).not.toHaveProperty("token");
	});
});

describe("the id of an event", () => {
	const idOf = (messageId: unknown) => read({ type: "page", messageId }).event.id;

	it("is the message's if that is a UUID, and else the same UUID for the same message", () => {
		expect(idOf(messageId)).toBe(messageId);
		const id = idOf("ajs-next-1795929775096-34f46cc7");
		expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-8[\da-f]{3}-[\da-f]{12}$/);
		expect(idOf("ajs-next-1795929775096-34f46cc7")).toBe(id);
		expect(idOf("ajs-next-1795929775096-34f46cc8")).not.toBe(id);
	});

	it.each([7, 0])("is the same each time for the number %j, and that of its text", (messageId) => {
		expect(idOf(messageId)).toBe(idOf(messageId));
		expect(idOf(messageId)).toBe(idOf(String(messageId)));
	});

	it.each([undefined, null, "", {}])("is new for the message id %j", (messageId) =>
		expect(idOf(messageId)).not.toBe(idOf(messageId)),
	);
});

describe("the time of an event", () => {
	const at = (call: object, sentAt?: unknown) => read({ type: "page", ...call }, { sentAt } as object).event.at;
	const hour = 3_600_000;

	it.each([
		["is the time of capture", { timestamp: iso(now - hour) }, iso(now), now - hour],
		["may be a number", { timestamp: now - hour }, now, now - hour],
		[
			"is that of the library, if both are there",
			{ timestamp: iso(now), originalTimestamp: iso(now - hour) },
			iso(now),
			now - hour,
		],
		["is corrected by the time of sending", { timestamp: iso(now - 3 * hour) }, iso(now - 2 * hour), now - hour],
		[
			"is corrected by the call's own time of sending",
			{ timestamp: iso(now), sentAt: iso(now + hour) },
			undefined,
			now - hour,
		],
		["is not corrected by less than a minute", { timestamp: iso(now - hour) }, iso(now - 59_000), now - hour],
		["is now without a time", {}, iso(now - hour), now],
		["is now without a readable time", { timestamp: "yesterday" }, "soon", now],
		["is now for a number beyond any time", { timestamp: Number.POSITIVE_INFINITY }, undefined, now],
		["is not before 1970", { timestamp: -5 }, undefined, 0],
		["is now for a long text", { timestamp: `${iso(now - hour)}${" ".repeat(100)}` }, undefined, now],
	])("%s", (_what, call, sentAt, expected) => expect(at(call, sentAt)).toBe(expected));
});

it("translates whatever comes without throwing, into events that ingest accepts or refuses one by one", () => {
	const json = fc.jsonValue({ maxDepth: 8 });
	const call = fc.oneof(
		json,
		fc.record(
			{
				type: fc.constantFrom("identify", "track", "page", "screen", "group"),
				event: fc.oneof(json, fc.constantFrom("Order Completed", "Product Viewed", "__proto__", "constructor")),
				properties: fc.oneof(
					json,
					fc.record({ products: json, order_id: json, items: json, url: json }, { requiredKeys: [] }),
				),
				traits: fc.oneof(json, fc.constant(JSON.parse('{"__proto__":{"x":1},"constructor":1,"company":{"name":[]}}'))),
				context: fc.oneof(json, fc.record({ traits: json, page: json, locale: json })),
				messageId: json,
				timestamp: json,
				userId: json,
				anonymousId: json,
				name: json,
			},
			{ requiredKeys: ["type"] },
		),
	);
	fc.assert(
		fc.property(call, json, (call, sentAt) => {
			const translated = translate(call, { ...options, sentAt });
			if (typeof translated === "string") return;
			const { event, person } = translated;
			const sender = { isBackend: true, clockOffset: 0, attributes: undefined, now };
			checkEvent({ ...event, person }, sender);
			expect(({} as Record<string, unknown>).x).toBeUndefined();
		}),
		{ numRuns: 2_000 },
	);
});
