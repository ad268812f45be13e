/** Counts the characters that are added, left out, wrong or swapped with their neighbour. */
function mistakes(given: string, meant: string): number {
	let [before, row]: [number[], number[]] = [[], Array.from({ length: meant.length + 1 }, (_, place) => place)];
	for (let i = 1; i <= given.length; i += 1) {
		const next = [i];
		for (let j = 1; j <= meant.length; j += 1) {
			const isSame = given[i - 1] === meant[j - 1];
			const isSwapped = given[i - 1] === meant[j - 2] && given[i - 2] === meant[j - 1];
			next[j] = Math.min(
				(next[j - 1] ?? 0) + 1,
				(row[j] ?? 0) + 1,
				(row[j - 1] ?? 0) + (isSame ? 0 : 1),
				isSwapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
			);
		}
		[before, row] = [row, next];
	}
	return row[meant.length] ?? 0;
}

/** Length from which the beginning of a name stands for it. */
const beginningLeast = 3;

/** Finds the name that was probably meant. */
function nearest(given: string, names: readonly string[]): string | undefined {
	const typed = given.toLowerCase();
	const [best] = names
		.map((name) => ({ name, count: mistakes(typed, name.toLowerCase()) }))
		.filter(
			({ name, count }) =>
				count <= Math.max(1, Math.floor(name.length / 3)) ||
				(typed.length >= beginningLeast && name.toLowerCase().startsWith(typed)),
		)
		.toSorted((a, b) => a.count - b.count);
	return best?.name;
}

/** Asks whether another name was meant: `, did you mean check?`; an empty text if none is like it. */
export function didYouMean(given: string, names: readonly string[]): string {
	// A long text is no name.
	const meant = given.length > 50 ? undefined : nearest(given, names);
	return meant === undefined ? "" : `, did you mean ${meant}?`;
}
