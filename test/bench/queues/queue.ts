/** An event that waits: the `n`th of its person, from 0. */
export interface Job {
	person: string;
	n: number;
}

/** Where a queue's events arrive; resolves once the event counts as delivered. */
export type Deliver = (job: Job) => Promise<void>;

/** A queue with events in it, each to be delivered once and in the order of its person. */
export interface OpenQueue {
	/** Adds events, in this order. */
	add(jobs: Job[]): Promise<void>;
	/** Delivers for so many ms. Resolves when nothing is under way any more. */
	work(deliver: Deliver, ms: number): Promise<void>;
	close(): Promise<void>;
}

export interface Queue {
	name: string;
	/** How it is set up; shown beside its figures. */
	settings: string;
	/** `url`: an empty PostgreSQL database of its own. Undefined where it cannot run here. */
	open(url: string): Promise<OpenQueue | undefined>;
}

/** What an event of a shop weighs: about 400 bytes. */
export const payload = "x".repeat(400);

/**
 * Gives a queue its events in statements of a thousand: of a person there is then one at most in each, as some queues
 * have no order among what they got together.
 */
export async function inserted(jobs: Job[], insert: (some: Job[]) => Promise<unknown>): Promise<void> {
	for (let from = 0; from < jobs.length; from += 1_000) await insert(jobs.slice(from, from + 1_000));
}
