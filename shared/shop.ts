type Data = Record<string, unknown>;

/**
 * Standard names of shop events, by the names that GA4 and Segment give them, in lower case without spaces and `_`.
 * `confirmation` is the type of a purchase; the others are names of `track` events.
 */
const standardNames: Record<string, string> = {
	// Every object has one, which would be found for an event of this name.
	constructor: "",
	purchase: "confirmation",
	ordercompleted: "confirmation",
	viewitem: "viewitem",
	productviewed: "viewitem",
	viewitemlist: "viewcategory",
	productlistviewed: "viewcategory",
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
	id: item.id ?? item.item_id ?? item.product_id ?? item.sku,
	name: item.name ?? item.item_name,
	price: readAmount(item.price),
	quantity: readAmount(item.quantity ?? 1),
});

/**
 * Reads an event of GA4 or Segment. One about a shop gets its standard name, and its data the names that eventferry has
 * for them; any other stays as it is, as does a purchase without the id of its order.
 */
export const readShopEvent = (event: string, given: Data): { name: string; data: Data } => {
	const name = standardNames[event.toLowerCase().replace(/[ _]/g, "")];
	if (name) {
		const {
			products,
			items = products,
			order_id,
			transaction_id = order_id,
			orderId = transaction_id,
			revenue,
			value = revenue,
			total = value,
			...rest
		} = given;
		// A page may give anything for a list.
		const read = (items as Data[] | undefined)?.filter?.((item) => item).map(readItem);
		if (name !== "confirmation")
			return { name, data: { itemId: rest.product_id ?? read?.[0]?.id, ...given, items: read } };
		if (orderId) return { name, data: { ...rest, orderId, total: readAmount(total), items: read } };
	}
	return { name: event, data: given };
};

/** Makes attributes of Segment's traits. */
export const readTraits = ({ firstName, lastName, ...rest }: Data): Data => ({
	firstname: firstName,
	lastname: lastName,
	...rest,
});
