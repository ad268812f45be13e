/** Rule by which a group waits for more items. */
interface Gathering {
	/** Longest wait, ms. */
	ms: number;
	/** Number of items that are enough. */
	enough: number;
	/** Tells whether more items than these may come soon. */
	mayGrow(items: number): boolean;
}

/**
 * Makes a queue that works off items in groups: items that arrive during one group form the next, and share its
 * transaction and its sync of the disk. The weights of a group add up to `most` at most. `work` resolves to a result, or
 * the promise of one, for each item.
 */
export function createGroupCommit<Item, Result>(
	work: (items: Item[]) => Promise<(Result | Promise<Result>)[]>,
	most: number,
	weight: (item: Item) => number = () => 1,
	gathering?: Gathering,
) {
	let waiting: { item: Item; answer: PromiseWithResolvers<Result> }[] = [];
	let working: Promise<void> | undefined;
	let isWorking = false;
	let endGathering: (() => void) | undefined;

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

	async function gather({ ms, enough, mayGrow }: Gathering): Promise<void> {
		if (waiting.length >= enough || !mayGrow(waiting.length)) return;
		const { promise, resolve } = Promise.withResolvers<void>();
		endGathering = resolve;
		const timer = setTimeout(resolve, ms);
		await promise;
		clearTimeout(timer);
	}

	async function workOff(): Promise<void> {
		isWorking = true;
		// Items of one turn of the event loop belong to one group.
		await Promise.resolve();
		while (waiting.length > 0) {
			if (gathering) await gather(gathering);
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
			if (gathering && waiting.length >= gathering.enough) endGathering?.();
			if (!isWorking) working = workOff();
			return answer.promise;
		},
		/** Resolves when the queue is empty. */
		async done(): Promise<void> {
			while (isWorking) await working;
		},
	};
}
