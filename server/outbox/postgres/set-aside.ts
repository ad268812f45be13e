import { readCursor } from "../dead-letter.ts";
import { readHead } from "../journal-row.ts";
import { inSteps, type SetAsideQuery, type SetAsideSelection, setAsidePage } from "../set-aside.ts";
import { batchDiscarded, discardedFor, siteItself } from "../tally.ts";
import type { Exclusively } from "./schema.ts";
import type { Shared } from "./shared.ts";
import { restored } from "./text.ts";

/** SQL for the condition of batches that were set aside; `$1` lists ids, or is null for all. */
const chosen = "stuck IS NOT NULL AND ($1::bigint[] IS NULL OR id = ANY($1))";
const values = ({ ids }: SetAsideSelection) => [ids?.map(Number).filter(Number.isSafeInteger)];

/** Makes the operations on batches that were set aside. `onRetried` is called when fan-out has them again. */
export function createSetAside(
	{ database: { run, write }, counters }: Shared,
	exclusively: Exclusively,
	onRetried: () => void,
) {
	const discardSome = (ids: string[]): Promise<number> =>
		exclusively(async (run) => {
			const rows = await run(
				`DELETE FROM eventferry.journal WHERE ${chosen} RETURNING id, events, head`,
				values({ ids }),
			);
			void run("DELETE FROM eventferry.bundle WHERE batch = ANY($1::bigint[])", [rows.map(({ id }) => id)]);
			const counts = counters(run);
			for (const { events, head } of rows) {
				const site = readHead(head)?.site ?? "";
				counts.add(site, siteItself, "events", Number(events));
				counts.add(site, siteItself, discardedFor(batchDiscarded), Number(events));
			}
			await counts.save();
			return rows.length;
		});

	return {
		async listSetAside({ limit, cursor }: SetAsideQuery) {
			const rows = await run(
				`SELECT id, events, head, stuck, (extract(epoch FROM stored_at) * 1000)::bigint AS stored_at
				FROM eventferry.journal WHERE stuck IS NOT NULL AND ($1::bigint IS NULL OR id > $1) ORDER BY id LIMIT $2`,
				[cursor === undefined ? undefined : readCursor(cursor), limit + 1],
			);
			return setAsidePage(rows, limit, restored);
		},

		async retrySetAside(selection: SetAsideSelection): Promise<number> {
			const rows = await write(
				`UPDATE eventferry.journal SET stuck = NULL WHERE ${chosen} RETURNING id`,
				values(selection),
			);
			if (rows.length > 0) onRetried();
			return rows.length;
		},

		async discardSetAside(selection: SetAsideSelection): Promise<number> {
			const rows = await run(`SELECT id FROM eventferry.journal WHERE ${chosen} ORDER BY id`, values(selection));
			return inSteps(
				rows.map(({ id }) => String(id)),
				discardSome,
			);
		},
	};
}
