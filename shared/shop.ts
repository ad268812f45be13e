type Data = Record<string, unknown>;

/**
 * Standard names of shop events, by the names that GA4 and Segment give them, in lower case. `confirmation` is the type of
 * a purchase; the others are names of `track` events.
 */
const standardNames: Record<string, string> = {
	purchase: "confirmation",
	"order completed": "confirmation",
	"completed order": "confirmation",
	view_item: "viewitem",
	"product viewed": "viewitem",
	"viewed product": "viewitem",
	view_item_list: "viewcategory",
	"product list viewed": "viewcategory",
	"viewed product category": "viewcategory",
	search: "search",
	view_search_results: "search",
	"products searched": "search",
	add_to_cart: "addtocart",
	"product added": "addtocart",
	"added product": "addtocart",
	begin_checkout: "checkout",
	"checkout started": "checkout",
};

/** Names of fields, each with other names that stand in for it, the preferred ones first. */
const orderFields = { orderId: ["transaction_id", "order_id"], total: ["value", "revenue"], items: ["products"] };
const otherFields = {
	items: ["products"],
	itemId: ["product_id", "item_id", "sku"],
	cartId: ["cart_id"],
	category: ["item_list_name", "item_list_id", "list_id"],
	query: ["search_term"],
};
const itemFields = { id: ["item_id", "product_id", "sku", "item_name", "name"] };
const traitFields = { firstname: ["firstName", "first_name"], lastname: ["lastName", "last_name"] };

/** Copies an object, with each missing field moved from the first other name that has a value. */
const renamed = (object: Data, fields: Record<string, string[]>): Data => {
	const copy = { ...object };
	for (const name in fields) {
		const other = copy[name] == null && fields[name]?.find((each) => copy[each] != null);
		if (other) {
			copy[name] = copy[other];
			delete copy[other];
		}
	}
	return copy;
};

/** Reads the amounts of an object that are decimal text as numbers. Changes the object. */
const withNumbers = (object: Data): Data => {
	for (const name of ["total", "value", "revenue", "tax", "shipping", "discount", "subtotal", "price", "quantity"]) {
		const value = object[name];
		if (typeof value === "string" && /^\s*-?\d+(\.\d+)?\s*$/.test(value)) object[name] = Number(value);
	}
	return object;
};

/** Makes an item of its id, name, price, and quantity, which is 1 if it is not given. Empty if it has no id. */
const readItem = (item: unknown): Data[] => {
	if (typeof item !== "object" || !item) return [];
	const { name, item_name } = item as Data;
	const { id, price, quantity } = withNumbers(renamed(item as Data, itemFields));
	return id == null ? [] : [{ id, name: name ?? item_name, price, quantity: quantity ?? 1 }];
};

/**
 * Reads an event of GA4 or Segment about a shop: its standard name, and its data under the names that eventferry has for
 * them. Undefined if the event is about something else. The data is copied.
 */
export const readShopEvent = (name: string, data: Data): { name: string; data: Data } | undefined => {
	const standard = standardNames[name.toLowerCase()];
	// A name such as "constructor" finds what every object has.
	if (typeof standard !== "string") return;
	const read = withNumbers(renamed(data, standard === "confirmation" ? orderFields : otherFields));
	if (Array.isArray(read.items)) {
		const items = read.items.flatMap(readItem);
		read.items = items;
		if (standard !== "confirmation") read.itemId ??= items[0]?.id;
	}
	return { name: standard, data: read };
};

/** Makes attributes of Segment's traits. The company's name stands for the company. */
export const readTraits = (traits: Data): Data => {
	const { company, ...rest } = renamed(traits, traitFields);
	const name = (company as Data | null | undefined)?.name ?? company;
	return name == null ? rest : { ...rest, company: name };
};
