/** Failure of a store: the disk is full, the file is gone, the database is down. Nothing was changed. */
export class StoreUnavailableError extends Error {
	override readonly name: string = "StoreUnavailableError";
	readonly code: "store_unavailable" | "outcome_unknown" = "store_unavailable";
}

/**
 * Failure of a store during a commit, whose answer was lost: all was changed, or nothing. A caller may repeat a batch
 * with the same event ids, as duplicates are discarded.
 */
export class OutcomeUnknownError extends StoreUnavailableError {
	override readonly name = "OutcomeUnknownError";
	override readonly code = "outcome_unknown";
}

/** Refusal to open a store before an operator acts: another process uses it, or its schema is newer. */
export class StoreOpenError extends Error {
	override readonly name = "StoreOpenError";
	readonly code = "store_open";
}

/** Message of a StoreUnavailableError in the seconds after a failed write. */
export const writeFailed = "a write failed just now";
/** Message of a StoreUnavailableError of a store that has reached its size limit. */
export const storeFull = "the store is as large as maxStoreBytes allows";
/** Message of a StoreUnavailableError of a store that has no more room for untrusted events. */
export const visitorsFull =
	"the last fifth of maxStoreBytes is for the backend, verified visitors and web hooks: there is no more room for others";
/** Message of a fault: dead letters were deleted to make room. */
export const deadLettersGaveWay =
	"the store is nearly as large as maxStoreBytes allows: the oldest dead letters of unverified visitors are deleted";

/** Message of a fault: what was remembered of people was deleted to make room. */
export const rememberedGaveWay =
	"the store is nearly as large as maxStoreBytes allows: what is remembered of unverified visitors' delivered events and of people at providers is deleted, so that repeated events may be taken again";

export const newerSchema = (found: number, known: number): StoreOpenError =>
	new StoreOpenError(`the store has schema ${found}, this eventferry knows ${known}: use a newer eventferry`);

/** Explains why a batch was set aside. V8's messages of SyntaxErrors quote the JSON, which names people. */
export function batchFailure(error: unknown): string {
	if (error instanceof SyntaxError) return "it is not valid JSON";
	return error instanceof Error ? error.message : String(error);
}
