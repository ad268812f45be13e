import { setImmediate as nextTurn } from "node:timers/promises";
import type { DeadLetterGroups } from "../../shared/admin.ts";
import { parseJson } from "../http/exact-json.ts";
import type { DeadLetterSelection, Outbox } from "../outbox/outbox.ts";
import type { StoredEvent } from "../stored-event.ts";

type Group = DeadLetterGroups["groups"][number];

/** Dead letters read in one step. */
const pageSize = 500;
/** Number of groups told at most: a reason is in a provider's own words. */
const groupsMost = 100;

/** Counts the selected dead letters by destination and reason, in steps, until all are counted or the signal is aborted. */
export async function groupDeadLetters(
	outbox: Pick<Outbox, "deadLetters">,
	selection: DeadLetterSelection,
	signal: AbortSignal,
): Promise<DeadLetterGroups> {
	const groups = new Map<string, Group>();
	let count = 0;
	let cursor: string | undefined;
	do {
		const page = await outbox.deadLetters({ ...selection, limit: pageSize, cursor });
		for (const { destination, reason, body } of page.items) {
			const { at } = (parseJson(body) as StoredEvent).event;
			const key = JSON.stringify([destination, reason]);
			const group = groups.get(key) ?? { destination, reason, count: 0, oldest: at, newest: at };
			groups.set(key, group);
			group.count += 1;
			group.oldest = Math.min(group.oldest, at);
			group.newest = Math.max(group.newest, at);
		}
		count += page.items.length;
		cursor = page.cursor;
		await nextTurn();
	} while (cursor !== undefined && !signal.aborted);
	const sorted = [...groups.values()].toSorted((a, b) => b.count - a.count);
	return { groups: sorted.slice(0, groupsMost), count, isComplete: cursor === undefined };
}
