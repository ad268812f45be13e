import { expect, it } from "vitest";
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

it("calls made while a group gathers belong to it", async () => {
	const done: number[][] = [];
	const gathering = Promise.withResolvers<void>();
	const counts: number[] = [];
	const { ask } = createGroupCommit<number, number>(
		async (items) => {
			done.push(items);
			return items;
		},
		10,
		undefined,
		(waiting) => {
			counts.push(waiting);
			return gathering.promise;
		},
	);
	const first = ask(1);
	await new Promise(setImmediate);
	const second = ask(2);
	gathering.resolve();
	expect(await Promise.all([first, second])).toEqual([1, 2]);
	expect([done, counts]).toEqual([[[1, 2]], [1]]);
});
