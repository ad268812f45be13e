const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");

/**
 * Draws 8 random digits. `Math.random()` is good enough for ids that only tell one person's events apart, and every
 * environment has it: pages on plain http lack `crypto.randomUUID()`, some test environments all of `crypto`.
 */
const randomHex = () => hex(Math.floor(Math.random() * 2 ** 32), 8);

/**
 * Creates a generator of strictly increasing UUIDv7 (https://www.rfc-editor.org/rfc/rfc9562#section-5.7), so that
 * sorting by id is sorting by capture. The first 8 bits of `rand_a` count within a millisecond. After 256 ids in one
 * millisecond, or after the clock was set back, the ids run ahead of the clock. Random digits are drawn once per
 * millisecond, as drawing takes longer than all the rest.
 */
export function createIds(now: () => number): () => string {
	/** Time of the last id, in 256ths of a millisecond. */
	let last = -1;
	let random: string;
	return () => {
		const tick = now() * 256;
		if (tick > last) {
			last = tick;
			random = randomHex() + randomHex();
		} else last++;
		const at = hex(last, 14);
		return `${at.slice(0, 8)}-${at.slice(8, 12)}-7${at.slice(12)}0-8${random.slice(1, 4)}-${random.slice(4)}`;
	};
}
