/** Waiting event, number `n` of its person, from 0. */
export interface Job {
	person: string;
	n: number;
}

/** Receives an event from a queue; resolves once the event counts as delivered. */
export type Deliver = (job: Job) => Promise<void>;

/** Open queue, which should deliver each event once and each person's events in order. */
export interface OpenQueue {
	/** Adds events in this order. */
	add(jobs: Job[]): Promise<void>;
	/** Delivers for `ms` milliseconds; resolves once nothing is under way. */
	work(deliver: Deliver, ms: number): Promise<void>;
	close(): Promise<void>;
}

export interface Queue {
	name: string;
	/** Configuration, printed as the bench fills the queue. */
	settings: string;
	/** Opens the queue on `url`, an empty PostgreSQL database; resolves to undefined if the queue cannot run here. */
	open(url: string): Promise<OpenQueue | undefined>;
}

/** Payload of about 400 bytes, the size of a shop's event. */
export const payload = "x".repeat(400);

/**
 * Inserts jobs in chunks of 1,000, so that a chunk has at most one job of each person if there are 1,000 people. Some
 * queues keep no order among jobs that are inserted together.
 */
export async function insertInChunks(jobs: Job[], insert: (chunk: Job[]) => Promise<unknown>): Promise<void> {
	for (let from = 0; from < jobs.length; from += 1_000) await insert(jobs.slice(from, from + 1_000));
}
