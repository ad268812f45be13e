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
	/** Nothing in the place of what is forgotten. */
	let kept: ({ thing: Thing; weight: number } | undefined)[] = [];
	/** How many at the start are; they are cut off once they are as many as the others. */
	let forgotten = 0;
	let total = 0;
	function forgetOldest(): void {
		total -= kept[forgotten]?.weight ?? 0;
		kept[forgotten] = undefined;
		forgotten += 1;
		if (forgotten * 2 < kept.length) return;
		kept = kept.slice(forgotten);
		forgotten = 0;
	}
	const all = () => kept.filter((each) => each !== undefined);
	return {
		add(thing, weight) {
			kept.push({ thing, weight });
			total += weight;
			while (total > most) forgetOldest();
		},
		all: () => all().map(({ thing }) => thing),
		remove(matches) {
			const left = all().filter(({ thing }) => !matches(thing));
			total = left.reduce((sum, { weight }) => sum + weight, 0);
			kept = left;
			forgotten = 0;
		},
	};
}
