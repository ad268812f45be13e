/** The account of one site with one provider. Lanes, budgets and holds belong to a destination. */
export interface Destination {
	site: string;
	name: string;
}

/**
 * A change of the hold of a destination. A hold is a text of the dispatcher that says why nothing is sent; the outbox
 * does not parse it. Undefined stands for no hold.
 */
export interface HoldChange {
	destination: Destination;
	from: string | undefined;
	to: string | undefined;
}
