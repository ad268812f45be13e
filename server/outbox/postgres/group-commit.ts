/**
 * Does together what is asked while the last was being done: whatever has arrived shares one transaction, and so
 * one sync of the disk. `weight` says how much of `most` an item takes.
 */
export function together<Item, Result>(
	work: (items: Item[]) => Promise<Result[]>,
	most: number,
	weight: (item: Item) => number = () => 1,
) {
	let waiting: { item: Item; answer: PromiseWithResolvers<Result> }[] = [];
	let working: Promise<void> | undefined;
	let isWorking = false;

	function next(): typeof waiting {
		let sum = 0;
		const first = waiting.findIndex(({ item }, index) => {
			sum += weight(item);
			return index > 0 && sum > most;
		});
		const taken = first < 0 ? waiting : waiting.slice(0, first);
		waiting = waiting.slice(taken.length);
		return taken;
	}

	async function workOff(): Promise<void> {
		isWorking = true;
		// What is asked in one go, as to settle all that was taken together, goes together.
		await Promise.resolve();
		while (waiting.length > 0) {
			const taken = next();
			try {
				const results = await work(taken.map(({ item }) => item));
				for (const [index, { answer }] of taken.entries()) answer.resolve(results[index] as Result);
			} catch (error) {
				for (const { answer } of taken) answer.reject(error);
			}
		}
		isWorking = false;
	}

	return {
		ask(item: Item): Promise<Result> {
			const answer = Promise.withResolvers<Result>();
			waiting.push({ item, answer });
			if (!isWorking) working = workOff();
			return answer.promise;
		},
		/** Resolves once nothing is asked or being done. */
		async done(): Promise<void> {
			while (isWorking) await working;
		},
	};
}
