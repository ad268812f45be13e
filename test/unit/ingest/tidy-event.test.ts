import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkEvent } from "../../../server/ingest/check-event.ts";
import { tidyEvent } from "../../../server/ingest/tidy-event.ts";

const known = { id: "01890a5d-ac96-774b-bcce-b302099a8057", at: 1_000, person: { email: "ada@example.com" } };
const sender = { clockOffset: 0, attributes: undefined, now: 2_000 };

/** Checks an event as both routes do. Returns the stored event, or the code of the rejection. */
function check(event: object) {
	const [browser, backend] = [false, true].map((isBackend) => {
		const checked = checkEvent({ ...known, ...event }, { ...sender, isBackend });
		return "stored" in checked ? checked.stored.event : checked.rejection.code;
	});
	expect(browser).toEqual(backend);
	return browser;
}
const buy = (data: object) => {
	const event = check({ type: "confirmation", data });
	return typeof event === "object" ? event.data : event;
};

describe("a person", () => {
	test.each([
		[{ userId: 42 }, { userId: "42" }],
		[{ userId: 0 }, { userId: "0" }],
		[{ userId: " u-1\n" }, { userId: "u-1" }],
		[{ userId: "u-1", email: null }, { userId: "u-1" }],
		[{ userId: "undefined", email: "ada@example.com" }, { email: "ada@example.com" }],
		[{ userId: "u-1", email: " undefined " }, { userId: "u-1" }],
		[{ userId: "u-1", anonymousId: null, token: null, ids: null }, { userId: "u-1" }],
		[{ userId: "u-1", anonymousId: "" }, { userId: "u-1" }],
		[
			{ userId: "u-1", anonymousId: 7 },
			{ userId: "u-1", anonymousId: "7" },
		],
	])("%j is taken", (person, expected) => {
		expect(check({ type: "update", person })).toEqual({ ...known, type: "update", person: expected });
	});

	test("may have null among the providers' ids", () => {
		const person = { userId: "u-1", ids: { crisp: null, helpcrunch: 7 } };
		expect(tidyEvent({ person })).toEqual({ person: { userId: "u-1", ids: { helpcrunch: 7 } } });
	});

	test.each(["undefined", "null", "NaN", "[object Object]", "", " ", " null\t"])("%j names nobody", (name) => {
		expect(check({ type: "update", person: { userId: name } })).toBe("identity_required");
		expect(check({ type: "update", person: { email: name } })).toBe("identity_required");
		expect(check({ type: "update", person: null })).toBe("identity_required");
	});

	test.each([true, {}, [], "u\u200b", "u\ufeff", "u\u00a0", "\u2028u", "u\u0000"])("%j is no userId", (userId) => {
		expect(check({ type: "update", person: { userId } })).toBe("invalid_event");
	});
});

test("a purchase is kept without its too deep items and too large numbers", () => {
	const item = (more: unknown) => ({ id: "pen", quantity: 1, more });
	const kept = item({ a: [] });
	expect(buy({ orderId: "A-1", items: [item({ a: { b: [{}] } }), kept] })).toEqual({ orderId: "A-1", items: [kept] });
	const large = JSON.parse('{ "orderId": "A-1", "total": 1e999, "items": [{ "id": "pen", "quantity": 1e999 }] }');
	const dear = JSON.parse('{ "orderId": "A-1", "items": [{ "id": "pen", "quantity": 1, "price": 1e999 }] }');
	expect(buy(large)).toEqual({ orderId: "A-1", items: [] });
	expect(buy(dear)).toEqual({ orderId: "A-1", items: [{ id: "pen", quantity: 1 }] });
});

test("null in the optional places of an event is absent", () => {
	const nulls = { name: null, data: null, color: null, context: null };
	expect(check({ type: "page", ...nulls })).toEqual({ ...known, type: "page" });
	expect(check({ type: "track", ...nulls })).toBe("invalid_event");
	const context = { url: "https://shop.example/", title: null, referrer: null };
	expect(check({ type: "page", context })).toHaveProperty("context", { url: context.url });
	expect(check({ type: "update", data: { plan: null } })).toHaveProperty("data", { plan: null });
});

describe("a purchase", () => {
	test("has its orderId as text, trimmed", () => {
		expect(buy({ orderId: 1001 })).toEqual({ orderId: "1001" });
		expect(buy({ orderId: " A-1 " })).toEqual({ orderId: "A-1" });
		for (const orderId of [null, "", "undefined", "NaN", {}, true]) expect(buy({ orderId })).toBe("invalid_event");
	});

	test("may have amounts as text", () => {
		const items = [{ id: "a", quantity: "1", price: " 99.90 ", size: "1" }];
		expect(buy({ orderId: "A", total: "99.90", items })).toEqual({
			...{ orderId: "A", total: 99.9 },
			items: [{ id: "a", quantity: 1, price: 99.9, size: "1" }],
		});
	});

	test.each(["", " ", "1,234.50", "99,90", "EUR 5", "NaN", "Infinity", "1e999", "0x10", null, true, {}, []])(
		"is kept without a total of %j",
		(total) => {
			expect(buy({ orderId: "A", total, coupon: null })).toEqual({ orderId: "A", coupon: null });
		},
	);

	test("is kept without the items that cannot be read", () => {
		const good = { id: 7, quantity: 2 };
		const bad = [null, "a", {}, { id: "a" }, { id: null, quantity: 1 }, { id: "a", quantity: "many" }];
		expect(buy({ orderId: "A", items: [...bad, good, { ...good, price: "free" }, { ...good, price: null }] })).toEqual({
			orderId: "A",
			items: [good, good, good],
		});
		for (const items of [null, "a", {}, 1]) expect(buy({ orderId: "A", items })).toEqual({ orderId: "A" });
	});
});

test("an event in the schema's form is not copied, and nothing given is changed", () => {
	const event = {
		...{ ...known, type: "confirmation", context: { url: "https://shop.example/" } },
		data: { orderId: "A", total: 1, items: [{ id: "a", quantity: 1, price: 2 }] },
	};
	expect(tidyEvent(event)).toBe(event);
	fc.assert(
		fc.property(fc.jsonValue(), fc.jsonValue(), (person, data) => {
			const raw = { ...known, type: "confirmation", person, data };
			const before = structuredClone(raw);
			tidyEvent(raw);
			expect(raw).toEqual(before);
		}),
	);
});
