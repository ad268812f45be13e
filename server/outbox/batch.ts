/** "Once": while a claim on `key` holds, an event that makes the same claim is discarded and counted under `reason`. */
export interface Claim {
	key: string;
	/** 6 hex digits that follow from the key; a person's claims that are alike in them are stored side by side. */
	cluster?: string;
	/** The claim is the person's own: another person's with the same key is another, and it goes when the person is forgotten. */
	ofPerson?: boolean;
	reason: string;
	/** The event's own time for this claim. */
	at: number;
	/** The claim holds for events with `since` ≤ `at` < `until`. */
	since: number;
	until: number;
}

export interface NewEvent {
	/** The person's key; with the site and a destination it names the lane. */
	person: string;
	/** The event as JSON, as text or in UTF-8: a line. The outbox does not look into it. */
	body: string | Uint8Array;
	/** Where it goes. */
	destinations: string[];
	/** The smaller, the sooner its lane's turn comes. */
	rank: number;
	/** Whether a budget's reserve may be spent on it. */
	reserved: boolean;
	/**
	 * It is a request of its own, whatever follows it: a lease may then end with it, unless it was said how many the
	 * next one is to show.
	 */
	alone?: boolean;
	claims: Claim[];
}

/** What one request brought; stored together or not at all. */
export interface Batch {
	site: string;
	events: NewEvent[];
	/** Deliveries that were never owed, by destination and reason, to be counted with the rest. */
	skipped?: { destination: string; reason: string; count: number }[];
}
