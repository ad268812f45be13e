/** Maximum number of deliveries of a lane that are read to find its best rank, or that expire in one step. */
export const lookAhead = 100;
/** Maximum number of untrusted deliveries that wait for one person at one destination. Fan-out discards what is more. */
// Guard (SECURITY.md): untrusted-waiting
export const untrustedMost = 500;
/**
 * Value of `shown` of a lane that waits for an event worth a profile, or is about to. More than a lease shows, so that it
 * differs from every limit.
 */
export const awaitingShown = 1_000;
/** Maximum number of lanes in a step of expiry. */
export const expireLanes = 200;
/** Number of dead letters, events or rows in a step of a replay, discard, search or migration. */
export const stepSize = 500;
/** Number of bytes of bodies after which a step of a search ends. */
export const stepBytes = 8_388_608;
/** Maximum number of rows that a step of a sweep deletes from a table. */
export const sweepSize = 5_000;
/** Maximum number of events that a transaction fans out, unless a single batch has more. */
export const fanOutSize = 1_000;
/** Delay before a fan-out that failed is tried again. */
export const retryMs = 1_000;
/** Maximum number of a transaction's discarded events that listeners are told. */
export const discardedTold = 100;
/** Time after a failed write during which the store counts as unavailable. */
export const unwellMs = 10_000;
/** Precision of the time at which a `known` row was last used. */
export const knownFreshMs = 3_600_000;
/** Time after its last use for which what is remembered of a person stays in a full store, as deliveries need it. */
export const neededMs = 3_600_000;
/** Precision of the time at which a link was last used. */
export const linkFreshMs = 86_400_000;
