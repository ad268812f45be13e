import type { Cluster } from "../../support/postgres.ts";
import { type Child, start, stopAll } from "../children.ts";
import type { Load, Loaded } from "../load.ts";
import type { Fail } from "../measure.ts";
import type { Result, Target } from "../result.ts";
import { cpuMs } from "./cpu.ts";
import type { DoorKind } from "./door.ts";
import { installed } from "./installed.ts";
import { startRedis } from "./redis.ts";

/** A server that takes batches, with the rates and costs measured. */
interface Door {
	name: string;
	server: Child;
	/** Events answered per second, by round. */
	rates: number[];
	/** CPU time per event in µs, of the server and its database, until nothing is left to do with it; by round. */
	cpu: number[];
}

const connections = 32;
/** Peers that deliver each person's events in order. */
const inOrder: ReadonlySet<string> = new Set(["pg-boss", "graphile-worker"]);
const onRedis: ReadonlySet<string> = new Set(["BullMQ", "a Redis stream"]);

/**
 * Durable ingest of eventferry, on SQLite and on PostgreSQL ÷ the same Express route in front of others. Each answers once
 * the batch is on disk; eventferry also puts it into lanes.
 */
export async function ingest(
	cluster: Cluster,
	{ ms, rounds }: { ms: number; rounds: number },
	fail: Fail,
): Promise<Result[]> {
	// Installs the peers here: a child has not the whole environment.
	await installed("pg-boss");
	const redis = await startRedis();
	if (!redis) process.stderr.write("BullMQ and the Redis stream are left out: there is no redis-server on PATH\n");
	const sink = await start("sink");
	await sink.ask("mode", "refuse");
	const url = await sink.ask<string>("url");
	const load = await start("load");
	const door = (name: string, server: Child): Door => ({ name, server, rates: [], cpu: [] });
	const proxy = (store?: string) => start("proxy", { sink: url, destinations: 1, ...(store && { store }) });
	const ours = [door("SQLite", await proxy()), door("PostgreSQL", await proxy(await cluster.database()))];
	const peers: Door[] = [];
	const kinds: DoorKind[] = ["a PostgreSQL insert", "a Redis stream", "BullMQ", "pg-boss", "graphile-worker"];
	for (const kind of kinds.filter((each) => redis || !onRedis.has(each))) {
		const options = { kind, database: await cluster.database(), redis: redis?.path };
		const server = await start("door", options).catch((error: unknown) => fail(kind, error));
		if (server) peers.push(door(kind, server));
	}

	/** Runs the same load on a server. */
	async function round({ server, rates, cpu }: Door, isOurs: boolean): Promise<void> {
		const others = async () => (await load.ask<number>("cpu")) / 1_000 + process.cpuUsage().user / 1_000;
		const [before, othersBefore] = [cpuMs() ?? Number.NaN, await others()];
		const batches: Load = { url: await server.ask("url"), ms, connections, tracksOnly: false };
		const { events, rate } = await load.ask<Loaded>("round", batches);
		if (isOurs) await server.ask("fannedOut");
		const [after, othersAfter] = [cpuMs() ?? Number.NaN, await others()];
		rates.push(rate);
		cpu.push(((after - before - (othersAfter - othersBefore)) * 1_000) / events);
	}

	for (let place = 0; place <= rounds; place += 1) {
		for (const each of [...ours, ...peers]) {
			await round(each, ours.includes(each));
			// The first round only warms up.
			if (place === 0) [each.rates, each.cpu] = [[], []];
		}
	}
	await stopAll();
	await redis?.stop();
	return ours.flatMap(({ name, rates, cpu }) =>
		peers.flatMap((peer): Result[] => {
			const target: Target | undefined = inOrder.has(peer.name) ? { atLeast: 1 } : { atLeast: 0.8 };
			const measure = `durable ingest, eventferry on ${name}`;
			return [
				{
					name: measure,
					unit: "events/s",
					ours: rates,
					theirs: peer.rates,
					peer: peer.name,
					betterIs: "higher",
					target,
				},
				{
					name: `${measure}: CPU an event, database and all`,
					unit: "µs",
					ours: cpu,
					theirs: peer.cpu,
					peer: peer.name,
					betterIs: "lower",
				},
			];
		}),
	);
}
