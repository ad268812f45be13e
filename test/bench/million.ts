import { setTimeout as delay } from "node:timers/promises";
import type { Stats } from "../../shared/admin.ts";
import type { Cluster } from "../support/postgres.ts";
import { type Child, start } from "./children.ts";
import { batchSize } from "./events.ts";
import type { Loaded } from "./load.ts";
import { cpuMs } from "./queues/cpu.ts";
import type { Result } from "./result.ts";

/** Time for which events are taken in, ms: some 50,000 on two cores. Their figures are scaled up to a million. */
const intakeMs = 1_000;
const million = 1_000_000;

/** Reads the number of statements that a PostgreSQL has run for its proxies. */
export async function statementsOf(cluster: Cluster): Promise<number> {
	const [row] = await cluster.run(
		"SELECT sum(calls) AS calls FROM pg_stat_statements WHERE query ~ 'eventferry|BEGIN|COMMIT|SET '",
	);
	return Number(row?.calls);
}

/** Reads the bytes of a proxy's tables and indexes. */
async function bytesOf(cluster: Cluster, url: string): Promise<number> {
	const [row] = await cluster.run(
		"SELECT sum(pg_total_relation_size(oid)) AS bytes FROM pg_class WHERE relnamespace = 'eventferry'::regnamespace AND relkind = 'r'",
		new URL(url).pathname.slice(1),
	);
	return Number(row?.bytes);
}

interface Costs {
	/** Figures of a million events, by name. */
	million: Record<string, [value: number, unit: string]>;
	/** CPU time of a delivery to one destination, the database's included, in ms. */
	deliveryMs: number;
}

/** Takes in events, which wait for three destinations, and then delivers all of them. */
async function once(cluster?: Cluster): Promise<Costs> {
	const sink = await start("sink");
	await sink.ask("mode", "hold");
	const url = await cluster?.database();
	const options = { sink: await sink.ask<string>("url"), destinations: 3, ...(url && { store: url }) };
	const proxy = await start("proxy", options);
	const load = await start("load");
	const batches = { url: await proxy.ask<string>("url"), ms: intakeMs, connections: 8, tracksOnly: false };
	const stats = () => proxy.ask<Stats>("stats");
	const inUse = async () => {
		if (cluster && url) return bytesOf(cluster, url);
		const { room, bytes } = await stats();
		return room?.used ?? bytes;
	};
	const empty = await inUse();

	async function read() {
		const { user, system } = process.cpuUsage();
		const cpuOf = async (child: Child) => (await child.ask<number>("cpu")) / 1_000;
		const ours = await cpuOf(proxy);
		const others = (await cpuOf(sink)) + (await cpuOf(load)) + (user + system) / 1_000;
		return {
			ours,
			database: cluster ? (cpuMs() ?? Number.NaN) - ours - others : 0,
			statements: cluster ? await statementsOf(cluster) : 0,
		};
	}

	const first = await read();
	// One round, as its events are of other people each, and only so many wait for one.
	const { events } = await load.ask<Loaded>("round", batches);
	await proxy.ask("fannedOut");
	const takenIn = await read();
	const full = await inUse();
	await sink.ask("mode", "answer");
	const isOver = ({ destinations }: Stats) => Object.values(destinations).every(({ waiting }) => waiting === 0);
	let last = await stats();
	for (; !isOver(last); last = await stats()) await delay(100);
	const delivered = await read();
	if (cluster && url) await cluster.run("VACUUM FULL", new URL(url).pathname.slice(1));
	const kept = await inUse();
	const requests = await sink.ask<Record<string, number>>("byProvider");
	const memory = await proxy.ask<number>("memory");
	for (const child of [proxy, load, sink]) await child.stop();

	const of = (value: number) => (value * million) / events;
	const cpu = (of: "ours" | "database", before: typeof first, after: typeof first) => after[of] - before[of];
	const onDatabase: Record<string, [number, string]> = cluster
		? {
				"CPU of the database, to take them in": [of(cpu("database", first, takenIn)) / 1_000, "s"],
				"CPU of the database, to deliver them": [of(cpu("database", takenIn, delivered)) / 1_000, "s"],
				"statements, to take them in": [of(takenIn.statements - first.statements), ""],
				"statements, to deliver them": [of(delivered.statements - takenIn.statements), ""],
			}
		: {};
	const deliveries = Object.values(requests).reduce((sum, count) => sum + count, 0);
	const spent = cpu("ours", takenIn, delivered) + cpu("database", takenIn, delivered);
	const figures: Costs["million"] = {
		"CPU of the proxy, to take them in": [of(cpu("ours", first, takenIn)) / 1_000, "s"],
		"CPU of the proxy, to deliver them": [of(cpu("ours", takenIn, delivered)) / 1_000, "s"],
		...onDatabase,
		"on disk while all of them wait": [of(full - empty) / 1e9, "GB"],
		"on disk for 31 days after": [of(kept - empty) / 1e9, "GB"],
		"most memory of the proxy": [memory, "MB"],
		[`requests to the proxy, of ${batchSize} events`]: [million / batchSize, ""],
		...Object.fromEntries(
			Object.entries(requests).map(([provider, count]) => [`requests to ${provider}`, [of(count), ""] as const]),
		),
	};
	return { million: figures, deliveryMs: spent / deliveries };
}

/**
 * Measures what a million events for three destinations cost to take in and to deliver, on fewer events. Without a
 * cluster, on SQLite.
 */
export async function costs(rounds: number, cluster?: Cluster): Promise<Result[]> {
	await cluster?.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
	const found: Awaited<ReturnType<typeof once>>[] = [];
	for (let round = 0; round < rounds; round += 1) found.push(await once(cluster));
	const alone: Pick<Result, "theirs" | "peer" | "betterIs"> = { theirs: [], peer: "", betterIs: "lower" };
	const figures = Object.entries(found[0]?.million ?? {}).map(([name, [, unit]]) => ({
		...alone,
		name: `a million events: ${name}`,
		unit,
		ours: found.map(({ million }) => million[name]?.[0] ?? Number.NaN),
	}));
	const name = "out of a backlog: CPU a delivery, database and all";
	const ours = found.map(({ deliveryMs }) => deliveryMs);
	return [...figures, { ...alone, name, unit: "ms", ours, target: { atMost: 1 } }];
}
