/** Deliveries of a lane that are read to find its best rank, and that expire in one step. */
export const lookAhead = 100;
/** Lanes that one step of expiry looks at. */
export const expireLanes = 200;
/** Dead letters in a step of a replay or discard, events in a step of a search, rows in a step of a migration. */
export const stepSize = 500;
/** Rows that one step of a sweep deletes. */
export const sweepSize = 5_000;
/** Events that one transaction fans out; a single batch may exceed it. */
export const fanOutSize = 1_000;
/** Delay before a fan-out that failed is tried again. */
export const retryMs = 1_000;
/** Discarded events that listeners are told about, of one transaction. */
export const discardedTold = 100;
/** Time after a failed write during which the store counts as unavailable. */
export const unwellMs = 10_000;
/** Precision of the time at which notes about a person were last used; they are kept for 30 days. */
export const knownFreshMs = 3_600_000;
/** Precision of the time at which a link was last used. */
export const linkFreshMs = 86_400_000;
