/** The account of one site with one provider. Lanes, budgets and holds belong to a destination. */
export interface Destination {
	site: string;
	name: string;
}

/**
 * A change of a destination's hold. A hold is the state of the dispatcher's circuit breaker as text, which the outbox
 * does not parse; undefined while the destination runs without failures.
 */
export interface HoldChange {
	destination: Destination;
	from: string | undefined;
	to: string | undefined;
}
