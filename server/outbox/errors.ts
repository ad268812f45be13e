/**
 * The store cannot be written or read now: disk full, file gone, database down. Nothing was changed, but for
 * the one case that it ended just after it had written: whoever tries again does so with the same event ids.
 */
export class StoreUnavailableError extends Error {
	override readonly name = "StoreUnavailableError";
	readonly code = "store_unavailable";
}

/** The store cannot be opened at all, and trying again will not help: in use by another, newer than this version. */
export class StoreOpenError extends Error {
	override readonly name = "StoreOpenError";
	readonly code = "store_open";
}

/** Reason for which a store is unavailable after a write has failed. */
export const writeFailed = "a write failed just now";
/** Reason for which a store that may not grow takes no more. */
export const storeFull = "it holds as much as maxStoreBytes allows";

export const newerSchema = (found: number, known: number): StoreOpenError =>
	new StoreOpenError(`the store has schema ${found}, this eventferry knows ${known}: use a newer eventferry`);
