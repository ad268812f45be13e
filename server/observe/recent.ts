/** Makes a list of limited total weight: beyond `most` it removes its oldest items. */
export function createRecent<Thing>(most: number) {
	/** All things, with undefined in place of the forgotten ones at the start. */
	let kept: ({ thing: Thing; weight: number } | undefined)[] = [];
	/** Number of forgotten places at the start. They are cut off once they are half of the list. */
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
		add(thing: Thing, weight: number): void {
			kept.push({ thing, weight });
			total += weight;
			while (total > most) forgetOldest();
		},
		/** Lists the things, the oldest first. */
		all: () => all().map(({ thing }) => thing),
		remove(matches: (thing: Thing) => boolean): void {
			const left = all().filter(({ thing }) => !matches(thing));
			total = left.reduce((sum, { weight }) => sum + weight, 0);
			kept = left;
			forgotten = 0;
		},
	};
}
