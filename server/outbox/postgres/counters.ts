import { columns, type Run } from "./connection.ts";
import type { Owner } from "./owners.ts";

/** Number of rows of each counter. A process uses one, so that processes do not wait for each other to count. */
const slots = 16;

/** Returns the number of the row that a process uses of each counter. */
export const slotOf = ({ id }: Pick<Owner, "id">): number => id % slots;

/** SQL that adds inserted values to the counters that exist. */
export const onCounted =
	"ON CONFLICT (site, destination, name, slot) DO UPDATE SET value = counter.value + excluded.value";

export type Counters = ReturnType<typeof createCounters>;
export type Counts = ReturnType<Counters>;

/**
 * Makes the counters of a process by its id as an owner: processes that started one after the other use different rows.
 * A transaction saves its counts at its end, to lock their rows for a short time.
 */
export function createCounters(owner: Pick<Owner, "id">) {
	const slot = slotOf(owner);
	return (run: Run) => {
		const counted = new Map<string, { site: string; destination: string; name: string; by: number }>();
		return {
			add(site: string, destination: string, name: string, by: number): void {
				const key = `${site}\n${destination}\n${name}`;
				counted.set(key, { site, destination, name, by: by + (counted.get(key)?.by ?? 0) });
			},
			async save(): Promise<void> {
				const changed = [...counted].filter(([, { by }]) => by !== 0).sort(([a], [b]) => (a < b ? -1 : 1));
				if (changed.length === 0) return;
				const rows = changed.map(([, row]) => row);
				await run(
					`INSERT INTO eventferry.counter
					SELECT site, destination, name, ${slot}, value
					FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS t (site, destination, name, value) ${onCounted}`,
					columns(rows, "site", "destination", "name", "by"),
				);
			},
		};
	};
}
