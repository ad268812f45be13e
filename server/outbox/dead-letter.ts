export interface DeadLetter {
	id: string;
	site: string;
	destination: string;
	/** The event as JSON. */
	body: string;
	status?: number;
	reason: string;
	message?: string;
	attempts: number;
	firstAt: number;
	lastAt: number;
}

export interface DeadLetterPage {
	items: DeadLetter[];
	/** Where the next page starts, if there is one. */
	cursor?: string;
}

/** Those that match everything given; an empty selection is all. */
export interface DeadLetterSelection {
	ids?: string[];
	destination?: string;
	reason?: string;
	/** Last tried at or after, ms. */
	since?: number;
	/** Last tried before, ms. */
	before?: number;
}

/** A page of those that match, the oldest first. */
export interface DeadLetterQuery extends DeadLetterSelection {
	limit: number;
	cursor?: string;
}
