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
	let kept: { thing: Thing; weight: number }[] = [];
	/** How many at the start are forgotten; they are cut off once they are as many as the others. */
	let forgotten = 0;
	let total = 0;
	function forgetOldest(): void {
		total -= kept[forgotten]?.weight ?? 0;
		forgotten += 1;
		if (forgotten * 2 < kept.length) return;
		kept = kept.slice(forgotten);
		forgotten = 0;
	}
	return {
		add(thing, weight) {
			kept.push({ thing, weight });
			total += weight;
			while (total > most) forgetOldest();
		},
		all: () => kept.slice(forgotten).map(({ thing }) => thing),
		remove(matches) {
			kept = kept.slice(forgotten).filter(({ thing }) => !matches(thing));
			forgotten = 0;
			total = kept.reduce((sum, { weight }) => sum + weight, 0);
		},
	};
}
