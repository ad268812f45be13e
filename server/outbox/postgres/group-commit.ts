/**
 * Makes a queue that works off items in groups: items that arrive during one group form the next, and share its
 * transaction and its sync of the disk. The weights of a group add up to `most` at most. Before each group, `gather` is
 * called with the number of items, and may wait for more.
 */
export function createGroupCommit<Item, Result>(
	work: (items: Item[]) => Promise<Result[]>,
	most: number,
	weight: (item: Item) => number = () => 1,
	gather: (waiting: number) => Promise<void> = async () => {},
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
		// Items of one turn of the event loop belong to one group.
		await Promise.resolve();
		while (waiting.length > 0) {
			await gather(waiting.length);
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
		/** Adds an item; resolves to its result. */
		ask(item: Item): Promise<Result> {
			const answer = Promise.withResolvers<Result>();
			waiting.push({ item, answer });
			if (!isWorking) working = workOff();
			return answer.promise;
		},
		/** Resolves when the queue is empty. */
		async done(): Promise<void> {
			while (isWorking) await working;
		},
	};
}
