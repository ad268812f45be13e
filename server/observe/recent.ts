/** Makes a list of limited total weight: above `most` it removes its oldest things. */
export function createRecent<Thing>(most: number) {
	/** All things, with undefined in place of the removed ones at the start. */
	let kept: ({ thing: Thing; weight: number } | undefined)[] = [];
	/** Number of removed things at the start. Their places are cut off once they are half of the list. */
	let removed = 0;
	let total = 0;
	function removeOldest(): void {
		total -= kept[removed]?.weight ?? 0;
		kept[removed] = undefined;
		removed += 1;
		if (removed * 2 < kept.length) return;
		kept = kept.slice(removed);
		removed = 0;
	}
	const all = () => kept.filter((each) => each !== undefined);
	return {
		add(thing: Thing, weight: number): void {
			kept.push({ thing, weight });
			total += weight;
			while (total > most) removeOldest();
		},
		/** Lists the things, the oldest first. */
		all: () => all().map(({ thing }) => thing),
		remove(matches: (thing: Thing) => boolean): void {
			const left = all().filter(({ thing }) => !matches(thing));
			total = left.reduce((sum, { weight }) => sum + weight, 0);
			kept = left;
			removed = 0;
		},
	};
}
