type Data = Record<string, unknown>;

/**
 * Standard names of shop events, each with the names that GA4 and Segment give it, in lower case without spaces and `_`.
 * `confirmation` is the type of a purchase; the others are names of `track` events.
 */
const standardNames: Record<string, RegExp> = {
	confirmation: /^(purchase|ordercompleted)$/,
	viewitem: /^(viewitem|productviewed)$/,
	viewcategory: /^(viewitemlist|productlistviewed)$/,
	search: /^(search|productssearched)$/,
	addtocart: /^(addtocart|productadded)$/,
	checkout: /^(begincheckout|checkoutstarted)$/,
};

/** Reads an amount that may be text. Returns what is no number as it is. */
const readAmount = (value: unknown) => Number(value) || value;

/** Makes an item of its id, name, price, and quantity, which is 1 if it is not given. */
const readItem = ({
	item_id,
	product_id = item_id,
	sku,
	id = product_id ?? sku,
	item_name,
	name = item_name,
	price,
	quantity = 1,
}: Data) => ({ id, name, price: readAmount(price), quantity: readAmount(quantity) });

/**
 * Reads an event of GA4 or Segment about a shop: its standard name, and its data under the names that eventferry has for
 * them. Undefined if the event is about something else, or a purchase without the id of its order.
 */
export const readShopEvent = (event: string, given: Data): { name: string; data: Data } | undefined => {
	for (const name in standardNames) {
		if (!standardNames[name]?.test(event.toLowerCase().replace(/[ _]/g, ""))) continue;
		const {
			products,
			items = products,
			transaction_id,
			order_id,
			orderId = transaction_id ?? order_id,
			value,
			revenue,
			total = value ?? revenue,
			...rest
		} = given;
		const read = (items as Data[] | undefined)?.filter((item) => item).map(readItem);
		if (name !== "confirmation")
			return { name, data: { itemId: rest.product_id ?? read?.[0]?.id, ...given, items: read } };
		if (orderId) return { name, data: { ...rest, orderId, total: readAmount(total), items: read } };
	}
};

/** Makes attributes of Segment's traits. */
export const readTraits = ({ firstName, lastName, ...rest }: Data): Data => ({
	firstname: firstName,
	lastname: lastName,
	...rest,
});
