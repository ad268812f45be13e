import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Lease, Outbox, TakeRequest } from "../../server/outbox/outbox.ts";
import { openSqlite } from "../../server/outbox/sqlite/open.ts";
import { takeDefaults } from "./lanes.ts";
import type { Result } from "./result.ts";
import type { Settings } from "./sections.ts";

const request: TakeRequest = { ...takeDefaults, lanes: 1, now: 0 };

/** Appends events without claims, ten per person; resolves once all are in lanes. */
async function fill(outbox: Outbox, events: number): Promise<void> {
	const perBatch = 100;
	for (let batch = 0; batch < events / perBatch; batch += 20) {
		const appends = Array.from({ length: Math.min(20, events / perBatch - batch) }, (_, index) =>
			outbox.append({
				site: "site",
				events: Array.from({ length: perBatch }, (_, place) => ({
					person: `person ${(batch + index) * 10 + (place % 10)}`,
					body: JSON.stringify({ event: { name: "basket:item:added", text: "x".repeat(150) } }),
					destinations: ["crisp"],
					rank: 2,
					reserved: false,
					trusted: false,
					claims: [],
				})),
			}),
		);
		await Promise.all(appends);
	}
	while ((await outbox.stats()).journal > 0) await delay(10);
}

/** Takes a lane and settles its first event, as the dispatcher does; resolves to the ms it took. */
async function turn(outbox: Outbox): Promise<number> {
	const since = performance.now();
	const [lease] = (await outbox.take(request)).leases as [Lease];
	await outbox.settle({ lease, now: 0, ended: { count: 1, ending: { kind: "delivered" } } });
	return performance.now() - since;
}

const meanOfFastestHalf = (times: number[]) => {
	const fast = times.toSorted((a, b) => a - b).slice(0, times.length >> 1);
	return fast.reduce((sum, each) => sum + each, 0) / fast.length;
};

/** Time to serve a lane and to open the store: with 1,000,000 events waiting ÷ with 1,000 and with none. */
export async function growth({ rounds }: Settings): Promise<Result[]> {
	const folder = mkdtempSync(join(tmpdir(), "eventferry-bench-"));
	const open = (name: string) => openSqlite(join(folder, `${name}.db`));
	const [small, large] = [await open("small"), await open("large")];
	try {
		await fill(small, 1_000);
		await fill(large, 1_000_000);
		const lanes = { ours: [] as number[], theirs: [] as number[] };
		for (let round = 0; round < rounds; round += 1) {
			const times = { small: [] as number[], large: [] as number[] };
			for (let time = 0; time < 150; time += 1) {
				times.small.push(await turn(small));
				times.large.push(await turn(large));
			}
			lanes.ours.push(meanOfFastestHalf(times.large));
			lanes.theirs.push(meanOfFastestHalf(times.small));
			await fill(small, 1_000);
		}
		await Promise.all([small.close(), large.close()]);
		const starts = { ours: [] as number[], theirs: [] as number[] };
		const start = async (name: string) => {
			const since = performance.now();
			const outbox = await open(name);
			await outbox.check();
			const took = performance.now() - since;
			await outbox.close();
			return took;
		};
		for (let round = 0; round <= rounds; round += 1) {
			const [full, empty] = [await start("large"), await start("empty")];
			if (round === 0) continue;
			starts.ours.push(full);
			starts.theirs.push(empty);
		}
		return [
			{
				name: "a lane taken and settled, 1,000,000 waiting",
				unit: "ms",
				...lanes,
				peer: "1,000 waiting",
				betterIs: "lower",
				target: { atMost: 1.2 },
			},
			{
				name: "opening the store, 1,000,000 waiting",
				unit: "ms",
				...starts,
				peer: "none waiting",
				betterIs: "lower",
				target: { atMost: 1.5 },
			},
		];
	} finally {
		await Promise.all([small.close(), large.close()]);
		rmSync(folder, { recursive: true, force: true });
	}
}
