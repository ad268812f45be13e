const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");

/**
 * Makes UUIDv7 (RFC 9562) that strictly increase, so that sorting by id is sorting by capture: the first digits of
 * `rand_a` count within a millisecond, and a clock that was set back is waited for. What is random is so anew in each
 * millisecond: drawing it costs more than all the rest.
 */
export function createIds(now: () => number): () => string {
	/** Milliseconds and, of each, 256 numbers. */
	let last = -1;
	let random: string;
	return () => {
		const tick = now() * 256;
		if (tick > last) {
			// Not `randomUUID()`: pages on plain http have none.
			last = tick;
			const [high, low] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number];
			random = hex(high, 8) + hex(low, 8);
		} else last++;
		const at = hex(last, 14);
		return `${at.slice(0, 8)}-${at.slice(8, 12)}-7${at.slice(12)}0-8${random.slice(1, 4)}-${random.slice(4)}`;
	};
}
