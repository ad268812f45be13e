import { describe, expect, it, test } from "vitest";
import { readShopEvent, readTraits } from "../../../shared/shop.ts";

const item = { item_id: "sku-1", item_name: "iPhone X", price: "999.00", quantity: "2", item_brand: "Apple" };
const read = { id: "sku-1", name: "iPhone X", price: 999, quantity: 2 };

describe("readShopEvent", () => {
	it.each([
		[
			"a purchase of GA4",
			"purchase",
			{ transaction_id: "A-1", value: "1998.00", currency: "EUR", items: [item] },
			"confirmation",
			{ orderId: "A-1", total: 1998, currency: "EUR", items: [read] },
		],
		[
			"a purchase of Segment",
			"Order Completed",
			{ order_id: "A-1", total: 20, revenue: 18, products: [{ product_id: 7, sku: "x", price: 10, quantity: 2 }] },
			"confirmation",
			{ orderId: "A-1", total: 20, items: [{ id: 7, price: 10, quantity: 2 }] },
		],
		[
			"a name in another case",
			"order completed",
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
			{ product_id: "7", name: "Tea" },
			"viewitem",
			{ itemId: "7", product_id: "7", name: "Tea" },
		],
		["a list", "view_item_list", { item_list_name: "Phones" }, "viewcategory", { item_list_name: "Phones" }],
		["a list of products", "Product List Viewed", { category: "Phones" }, "viewcategory", { category: "Phones" }],
		["a search", "Products Searched", { query: "tea" }, "search", { query: "tea" }],
		[
			"a basket",
			"Product Added",
			{ product_id: "x", quantity: 1 },
			"addtocart",
			{ product_id: "x", itemId: "x", quantity: 1 },
		],
		[
			"another basket",
			"add_to_cart",
			{ items: [{ id: "x", name: "Tea" }] },
			"addtocart",
			{ itemId: "x", items: [{ id: "x", name: "Tea", quantity: 1 }] },
		],
		[
			"a checkout with a missing item",
			"begin_checkout",
			{ items: [null, { item_id: 1 }] },
			"checkout",
			{ itemId: 1, items: [{ id: 1, quantity: 1 }] },
		],
		["a checkout of Segment", "Checkout Started", { order_id: "A-1" }, "checkout", { order_id: "A-1" }],
		[
			"amounts that are no numbers",
			"purchase",
			{ transaction_id: "A-1", value: "1.299,00 €" },
			"confirmation",
			{ orderId: "A-1", total: "1.299,00 €" },
		],
	])("reads %s", (_what, name, data, standard, expected) => {
		const before = structuredClone(data);
		expect(readShopEvent(name, data)).toEqual({ name: standard, data: expected });
		expect(data).toEqual(before);
	});

	it.each(["Signed up", "constructor", "__proto__", "purchases", ""])("leaves %j alone", (name) =>
		expect(readShopEvent(name, { items: 7 })).toEqual({ name, data: { items: 7 } }),
	);
});

const unreadable = { toString: 1 };
it.each([
	["a list that is none", { items: { 0: item } }, {}],
	["a list that is text", { products: "sku-1" }, {}],
	["items that are none", { items: [7, "x", null, unreadable] }, { items: Array(3).fill({ quantity: 1 }) }],
	["a total that cannot become a number", { value: unreadable }, { total: unreadable }],
	["a price that cannot become a number", { items: [{ price: 1n }] }, { items: [{ price: 1n, quantity: 1 }] }],
	["a total that is true", { value: true }, { total: true }],
	["a quantity that is a list", { items: [{ quantity: [5] }] }, { items: [{ quantity: [5] }] }],
])("readShopEvent keeps a purchase with %s", (_what, data, expected) => {
	const read = readShopEvent("purchase", { transaction_id: "A-1", ...data });
	expect(read).toEqual({ name: "confirmation", data: { orderId: "A-1", ...expected } });
});

test("readShopEvent leaves a purchase without the id of its order alone", () => {
	const purchase = { name: "Order Completed", data: { revenue: 7 } };
	expect(readShopEvent(purchase.name, purchase.data)).toEqual(purchase);
});

test("readTraits names attributes as eventferry does", () =>
	expect(readTraits({ firstName: "Ada", lastName: "Lovelace", plan: "pro" })).toEqual({
		firstname: "Ada",
		lastname: "Lovelace",
		plan: "pro",
	}));
