/**
 * Creates a generator of strictly increasing UUIDv7 (https://www.rfc-editor.org/rfc/rfc9562#section-5.7), so that
 * sorting by id is sorting by capture. The first 8 bits of `rand_a` count within a millisecond. After 256 ids in one
 * millisecond, or after the clock was set back, the ids run ahead of the clock. Random digits are drawn once, as they
 * tell generators apart and drawing takes longer than all the rest.
 */
export const createIds = (now: () => number): (() => string) => {
	/** Time of the last id, in 256ths of a millisecond. */
	let last = -1;
	// `Math.random()` is good enough for ids that only tell one person's events apart, and every environment has it:
	// pages on plain http lack `crypto.randomUUID()`, some test environments all of `crypto`. Decimal digits are
	// hexadecimal digits too.
	const random = Math.random()
		.toFixed(15)
		.replace(/..(...)/, "0-8$1-");
	return () => {
		last = Math.max(last + 1, now() * 256);
		return (
			last
				.toString(16)
				.padStart(14, "0")
				.replace(/(.{8})(....)/, "$1-$2-7") + random
		);
	};
};
