import { describe, expect, it } from "vitest";
import { createGroupCommit } from "../../../../server/outbox/postgres/group-commit.ts";

it("simultaneous calls share one commit, and calls made meanwhile share the next", async () => {
	const done: number[][] = [];
	const { ask } = createGroupCommit<number, number>(async (items) => {
		done.push(items);
		await new Promise(setImmediate);
		return items;
	}, 10);
	const first = Promise.all([1, 2, 3].map(ask));
	await new Promise(setImmediate);
	const second = Promise.all([4, 5].map(ask));
	expect([...(await first), ...(await second)]).toEqual([1, 2, 3, 4, 5]);
	expect(done).toEqual([
		[1, 2, 3],
		[4, 5],
	]);
});

describe("a group that gathers", () => {
	const groupsOf = (gathering: { ms: number; mayGrow: (items: number) => boolean }) => {
		const done: number[][] = [];
		const { ask } = createGroupCommit<number, number>(
			async (items) => {
				done.push(items);
				return items;
			},
			10,
			undefined,
			{ enough: 3, ...gathering },
		);
		return { ask, done };
	};

	it("takes in later calls until they are enough", async () => {
		const { ask, done } = groupsOf({ ms: 60_000, mayGrow: () => true });
		const asked = [ask(1)];
		await new Promise(setImmediate);
		asked.push(ask(2));
		await new Promise(setImmediate);
		asked.push(ask(3));
		await Promise.all(asked);
		expect(done).toEqual([[1, 2, 3]]);
	});

	it("begins without enough calls after a while, and at once if no more may come", async () => {
		const slow = groupsOf({ ms: 1, mayGrow: () => true });
		expect(await slow.ask(1)).toBe(1);
		const alone = groupsOf({ ms: 60_000, mayGrow: (items) => items < 2 });
		expect(await Promise.all([alone.ask(1), alone.ask(2)])).toEqual([1, 2]);
	});
});
