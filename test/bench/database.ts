import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { openPostgres } from "../../server/outbox/postgres/open.ts";
import { lockWriting } from "../../server/outbox/postgres/schema.ts";
import type { Cluster } from "../support/postgres.ts";
import { event, openWaiting, settleFirst } from "./lanes.ts";
import { cpuMs } from "./queues/cpu.ts";
import type { Result } from "./result.ts";

const waiting = 100_000;
/** Deliveries made after the old transaction began, each of which left dead rows. */
const deliveredBeside = 50_000;
const eventsPerRound = 4_000;

/** Opens a connection and a transaction that lasts until the connection is closed. */
async function openTransaction(url: string, first: string): Promise<pg.Client> {
	const client = new pg.Client({ connectionString: url });
	await client.connect();
	// A transaction keeps the snapshot of its first statement, as a dump or a report does.
	await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
	await client.query(first);
	return client;
}

/** Settles the first events of leased lanes and appends as many new ones; resolves to the events settled per second. */
async function rateOf({ outbox, add }: Awaited<ReturnType<typeof openWaiting>>, lanes: number): Promise<number> {
	const { done, ms } = await settleFirst(outbox, eventsPerRound, lanes);
	await add(done);
	return done / (ms / 1_000);
}

/** Measures the rate of leased lanes beside a transaction that has been open for 50,000 deliveries ÷ the rate without it. */
export async function oldTransaction(cluster: Cluster, rounds: number): Promise<Result[]> {
	const beside = await openWaiting(cluster, waiting);
	const without = await openWaiting(cluster, waiting);
	const old = await openTransaction(beside.url, "SELECT FROM eventferry.lane LIMIT 1");
	for (const { outbox, vacuum } of [beside, without]) {
		await settleFirst(outbox, deliveredBeside);
		await vacuum();
	}
	const results: Result[] = [];
	for (const lanes of [100, 250]) {
		const rates: [number[], number[]] = [[], []];
		for (let round = 0; round < rounds; round += 1) {
			const turns = [[0, beside] as const, [1, without] as const];
			for (const [index, store] of round % 2 === 0 ? turns : turns.toReversed())
				rates[index].push(await rateOf(store, lanes));
		}
		results.push({
			name: `leased lanes, ${lanes} at a time, beside a transaction open for ${deliveredBeside.toLocaleString("en")} deliveries`,
			unit: "events/s",
			ours: rates[0],
			theirs: rates[1],
			peer: "no such transaction",
			betterIs: "higher",
		});
	}
	await old.end();
	await Promise.all([beside, without].map(({ outbox }) => outbox.close()));
	return results;
}

/** Measures the write-ahead log of a delivery out of a backlog after a checkpoint, with `wal_compression` ÷ without it. */
export async function logBytes(cluster: Cluster, rounds: number): Promise<Result[]> {
	const { outbox, add } = await openWaiting(cluster, waiting);
	const bytes: [number[], number[]] = [[], []];
	for (let round = 0; round < rounds; round += 1) {
		const turns = [[0, "on"] as const, [1, "off"] as const];
		for (const [index, compression] of round % 2 === 0 ? turns : turns.toReversed()) {
			await cluster.run(`ALTER SYSTEM SET wal_compression = ${compression}`);
			await cluster.run("SELECT pg_reload_conf()");
			await cluster.run("CHECKPOINT");
			const [before] = await cluster.run("SELECT pg_current_wal_insert_lsn() AS lsn");
			const { done } = await settleFirst(outbox, eventsPerRound);
			const [after] = await cluster.run(`SELECT pg_current_wal_insert_lsn() - '${before?.lsn}' AS bytes`);
			bytes[index].push(Number(after?.bytes) / done);
			await add(done);
		}
	}
	await cluster.run("ALTER SYSTEM RESET wal_compression");
	await cluster.run("SELECT pg_reload_conf()");
	await outbox.close();
	return [
		{
			name: "write-ahead log of a delivery out of a backlog, wal_compression = on",
			unit: "B",
			ours: bytes[0],
			theirs: bytes[1],
			peer: "off",
			betterIs: "lower",
		},
	];
}

const [batches, batchSize] = [400, 50];

/** Measures fan-out of a journal that waited for its lock: 400 batches, each of one person, for two destinations. */
export async function fanOutSpeed(cluster: Cluster, rounds: number): Promise<Result[]> {
	const url = await cluster.database();
	const outbox = await openPostgres(url);
	const [rates, cpu]: [number[], number[]] = [[], []];
	for (let round = 0; round <= rounds; round += 1) {
		const holder = await openTransaction(url, lockWriting);
		const events = (batch: number) =>
			Array.from({ length: batchSize }, () => ({
				...event(round * batches + batch),
				destinations: ["crisp", "helpcrunch"],
			}));
		await Promise.all(
			Array.from({ length: batches }, (_, batch) => outbox.append({ site: "site", events: events(batch) })),
		);
		const [since, before] = [performance.now(), cpuMs() ?? Number.NaN];
		await holder.end();
		await outbox.check();
		while ((await outbox.stats()).journal > 0) await delay(5);
		// Round 0 warms up and is not counted.
		if (round === 0) continue;
		rates.push((batches * batchSize) / ((performance.now() - since) / 1_000));
		cpu.push(((cpuMs() ?? Number.NaN) - before) / (batches * batchSize));
	}
	await outbox.close();
	const alone = { theirs: [], peer: "" };
	const name = "fan-out under its lock, two destinations";
	return [
		{ ...alone, name, unit: "events/s", ours: rates, betterIs: "higher" },
		{ ...alone, name: `${name}: CPU an event, database and all`, unit: "ms", ours: cpu, betterIs: "lower" },
	];
}
