const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");

/**
 * Makes UUIDv7 (RFC 9562) that strictly increase, so that sorting by id is sorting by capture:
 * `rand_a` counts within a millisecond, and a clock that was set back is waited for.
 */
export function createIds(now: () => number): () => string {
	let time = 0;
	let count = 0;
	return () => {
		const ms = now();
		if (ms > time) {
			time = ms;
			count = 0;
		} else if (++count > 0xfff) {
			time++;
			count = 0;
		}
		// Not `randomUUID()`: pages on plain http have none.
		const [high, low] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number];
		const at = hex(time, 12);
		return `${at.slice(0, 8)}-${at.slice(8)}-7${hex(count, 3)}-8${hex(high >>> 20, 3)}-${hex(high & 0xffff, 4)}${hex(low, 8)}`;
	};
}
