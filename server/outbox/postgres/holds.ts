import type { Destination, HoldChange } from "../destination.ts";
import type { Shared } from "./shared.ts";
import { restored, storable } from "./text.ts";

export function createHolds({ database: { run }, destinations, notice }: Shared) {
	async function holdOf(destination: Destination): Promise<string | undefined> {
		const id = await destinations.id(destination);
		const [row] = await run("SELECT hold FROM eventferry.destination WHERE id = $1", [id]);
		return typeof row?.hold === "string" ? restored(row.hold) : undefined;
	}

	return {
		holdOf,
		/** Changes a hold by compare and swap, and notifies the other processes. */
		async hold({ destination, from, to }: HoldChange) {
			const id = await destinations.id(destination);
			const [expected, next] = [from, to].map((each) => (each === undefined ? null : storable(each)));
			const changed = await run(
				`WITH changed AS (
					UPDATE eventferry.destination SET hold = $3 WHERE id = $1 AND hold IS NOT DISTINCT FROM $2 RETURNING id
				) SELECT ${notice} FROM changed`,
				[id, expected, next],
			);
			if (changed.length > 0) return { changed: true, hold: to };
			return { changed: false, hold: await holdOf(destination) };
		},
	};
}
