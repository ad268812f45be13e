type Data = Record<string, unknown>;

/**
 * Standard names of shop events, by the names that GA4 and Segment give them, in lower case without spaces and `_`.
 * `confirmation` is the type of a purchase; the others are names of `track` events.
 */
const standardNames: Record<string, string> = {
	// Every object has a constructor, which would be found for an event of this name.
	__proto__: null as never,
	ordercompleted: "confirmation",
	purchase: "confirmation",
	productviewed: "viewitem",
	productlistviewed: "viewcategory",
	viewitemlist: "viewcategory",
	viewitem: "viewitem",
	productssearched: "search",
	addtocart: "addtocart",
	productadded: "addtocart",
	begincheckout: "checkout",
	checkoutstarted: "checkout",
};

/** Reads an amount that may be text. Returns what is no number as it is. */
const readAmount = (value: unknown) => ((value as string)?.trim && +(value as string)) || value;

/** Makes an item of its id, name, price, and quantity, which is 1 if it is not given. */
const readItem = (item: Data) => ({
	name: item.name ?? item.item_name,
	quantity: readAmount(item.quantity ?? 1),
	id: item.id ?? item.item_id ?? item.product_id ?? item.sku,
	price: readAmount(item.price),
});

/**
 * Reads an event of GA4 or Segment. One about a shop gets its standard name, and its data the names that eventferry has
 * for them; any other stays as it is, as does a purchase without the id of its order.
 */
export const readShopEvent = (event: string, given: Data): { name: string; data: Data } => {
	const name = standardNames[event.toLowerCase().replace(/[ _]/g, "")];
	if (name) {
		const { transaction_id, items, products, value, orderId, revenue, order_id, total, ...rest } = given;
		const id = orderId ?? transaction_id ?? order_id;
		// A page may give anything for a list.
		const read = ((items ?? products) as Data[] | undefined)?.filter?.((item) => item).map(readItem);
		if (name !== "confirmation")
			return { name, data: { itemId: rest.product_id ?? read?.[0]?.id, ...given, items: read } };
		if (id) return { name, data: { ...rest, orderId: id, total: readAmount(total ?? value ?? revenue), items: read } };
	}
	return { name: event, data: given };
};

/** Makes attributes of Segment's traits. */
export const readTraits = ({ firstName, lastName, ...rest }: Data): Data => ({
	firstname: firstName,
	lastname: lastName,
	...rest,
});
