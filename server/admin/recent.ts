/** The latest things, as many as weigh no more than `most` together. */
export interface Recent<Thing> {
	add(thing: Thing, weight: number): void;
	/** Oldest first. */
	all(): Thing[];
	/** Removes those that match. */
	remove(matches: (thing: Thing) => boolean): void;
}

/** Keeps what is latest, in memory, bounded by weight. */
export function createRecent<Thing>(most: number): Recent<Thing> {
	const kept = new Map<number, { thing: Thing; weight: number }>();
	let total = 0;
	let last = 0;
	function drop(key: number, weight: number): void {
		kept.delete(key);
		total -= weight;
	}
	return {
		add(thing, weight) {
			last += 1;
			kept.set(last, { thing, weight });
			total += weight;
			for (const [key, oldest] of kept) {
				if (total <= most) break;
				drop(key, oldest.weight);
			}
		},
		all: () => [...kept.values()].map(({ thing }) => thing),
		remove(matches) {
			for (const [key, { thing, weight }] of kept) if (matches(thing)) drop(key, weight);
		},
	};
}
