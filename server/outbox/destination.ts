/** One site's account with one provider: what lanes, budgets and pauses belong to. */
export interface Destination {
	site: string;
	name: string;
}

/** What holds a destination, as whoever delivers wrote it; the outbox does not look into it. Undefined: nothing does. */
export interface HoldChange {
	destination: Destination;
	from: string | undefined;
	to: string | undefined;
}
