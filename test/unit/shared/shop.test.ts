import { describe, expect, it } from "vitest";
import { readShopEvent, readTraits } from "../../../shared/shop.ts";

const item = { item_id: "sku-1", item_name: "iPhone X", price: "999.00", quantity: "2", item_brand: "Apple" };
const read = { id: "sku-1", name: "iPhone X", price: 999, quantity: 2 };

describe("readShopEvent", () => {
	it.each([
		[
			"a purchase of GA4",
			"purchase",
			{ transaction_id: "A-1", value: "1998.00", tax: "0.5", currency: "EUR", items: [item] },
			"confirmation",
			{ orderId: "A-1", total: 1998, tax: 0.5, currency: "EUR", items: [read] },
		],
		[
			"a purchase of Segment",
			"Order Completed",
			{ order_id: "A-1", total: 20, revenue: 18, products: [{ product_id: 7, sku: "x", price: 10, quantity: 2 }] },
			"confirmation",
			{ orderId: "A-1", total: 20, revenue: 18, items: [{ id: 7, price: 10, quantity: 2 }] },
		],
		[
			"an older name in another case",
			"completed order",
			{ order_id: "A-1", revenue: "18" },
			"confirmation",
			{ orderId: "A-1", total: 18 },
		],
		[
			"an item that is looked at",
			"view_item",
			{ value: 5, items: [item] },
			"viewitem",
			{ value: 5, itemId: "sku-1", items: [read] },
		],
		[
			"a product that is looked at",
			"Product Viewed",
			{ product_id: "7", sku: "x", name: "Tea" },
			"viewitem",
			{ itemId: "7", sku: "x", name: "Tea" },
		],
		["a list", "view_item_list", { item_list_name: "Phones" }, "viewcategory", { category: "Phones" }],
		["a search", "search", { search_term: "tea" }, "search", { query: "tea" }],
		[
			"a basket",
			"Product Added",
			{ cart_id: "c", sku: "x", quantity: 1 },
			"addtocart",
			{ cartId: "c", itemId: "x", quantity: 1 },
		],
		[
			"a checkout",
			"begin_checkout",
			{ items: [{ item_name: "Tea" }, null, {}] },
			"checkout",
			{ itemId: "Tea", items: [{ id: "Tea", name: "Tea", quantity: 1 }] },
		],
		[
			"amounts that are no numbers",
			"purchase",
			{ transaction_id: "A-1", value: "1.299,00 €", items: "two" },
			"confirmation",
			{ orderId: "A-1", total: "1.299,00 €", items: "two" },
		],
	])("reads %s", (_what, name, data, standard, expected) => {
		const before = structuredClone(data);
		expect(readShopEvent(name, data)).toEqual({ name: standard, data: expected });
		expect(data).toEqual(before);
	});

	it.each(["Signed up", "constructor", "__proto__", "viewitem", ""])("leaves %j alone", (name) =>
		expect(readShopEvent(name, {})).toBeUndefined(),
	);
});

describe("readTraits", () => {
	it("names attributes as eventferry does", () =>
		expect(
			readTraits({ firstName: "Ada", last_name: "Lovelace", company: { name: "Analytical" }, plan: "pro" }),
		).toEqual({
			firstname: "Ada",
			lastname: "Lovelace",
			company: "Analytical",
			plan: "pro",
		}));

	it("keeps a company that is text, and none that has no name", () => {
		expect(readTraits({ company: "Analytical" })).toEqual({ company: "Analytical" });
		expect(readTraits({ company: null, firstname: "Ada", firstName: "A" })).toEqual({
			firstname: "Ada",
			firstName: "A",
		});
	});
});
