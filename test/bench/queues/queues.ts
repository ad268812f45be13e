import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Cluster, startPostgres } from "../../support/postgres.ts";
import type { SectionOf } from "../benches.ts";
import { stopAll } from "../children.ts";
import { type Fail, measure } from "../measure.ts";
import type { Result, Target } from "../result.ts";
import bullMq from "./bullmq.ts";
import { cpuMs } from "./cpu.ts";
import eventferry from "./eventferry.ts";
import graphileWorker from "./graphile-worker.ts";
import { ingest } from "./ingest.ts";
import pgBoss from "./pg-boss.ts";
import type { Job, OpenQueue, Queue } from "./queue.ts";
import { redisVersion } from "./redis.ts";
import { createWatch } from "./watch.ts";

const usage = `npm run bench:queues -- [queues] [ingest] [--rounds N] [--waiting N] [--people N] [--seconds S] [--json]
Measures eventferry's lanes on PostgreSQL beside other queues, with a receiver that does nothing, and its ingest
beside the same route in front of what others keep events in.
Only ratios within one run are comparable.\n`;
const { values, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		rounds: { type: "string", default: "3" },
		/** Number of events waiting at the start of each round. */
		waiting: { type: "string", default: "200000" },
		/** Number of people who have the waiting events. */
		people: { type: "string", default: "20000" },
		/** Length of each queue's rounds. */
		seconds: { type: "string", default: "8" },
		json: { type: "boolean", default: false },
		help: { type: "boolean", default: false },
	},
});
const settings = {
	rounds: Number(values.rounds),
	waiting: Number(values.waiting),
	people: Number(values.people),
	ms: Number(values.seconds) * 1_000,
};
const sections: Record<string, (cluster: Cluster, fail: Fail) => Promise<Result[]>> = {
	queues,
	ingest: (cluster: Cluster, fail: Fail) => ingest(cluster, settings, fail),
} satisfies Record<SectionOf<"queues">, unknown>;
const chosen = positionals.length > 0 ? positionals : Object.keys(sections);
if (
	values.help ||
	chosen.some((name) => !(name in sections)) ||
	Object.values(settings).some((value) => !(value > 0))
) {
	process.stderr.write(usage);
	process.exit(values.help ? 0 : 2);
}

/** Queue under measurement. */
interface Measured extends ReturnType<typeof createWatch> {
	queue: Queue;
	open: OpenQueue;
	/** Number of events added so far. */
	added: number;
	/** Events per second taken in by the first fill. */
	taken: number;
	/** Events delivered per second, by round. */
	rates: number[];
	/** CPU time per event in ms, of the queue and its database, by round. */
	cpu: number[];
}

/** Adds events for all people in turn until `settings.waiting` events wait; resolves to the events added per second. */
async function fill(measured: Measured): Promise<number> {
	const missing = settings.waiting - (measured.added - measured.tally.delivered);
	const jobs = Array.from({ length: Math.max(0, missing) }, (_, index): Job => {
		const place = measured.added + index;
		return { person: `person ${place % settings.people}`, n: Math.floor(place / settings.people) };
	});
	const since = performance.now();
	await measured.open.add(jobs);
	measured.added += jobs.length;
	return jobs.length / ((performance.now() - since) / 1_000);
}

async function round({ open, tally, deliver, rates, cpu }: Measured): Promise<void> {
	const [before, since, cpuBefore] = [tally.delivered, performance.now(), cpuMs()];
	await open.work(deliver, settings.ms);
	const [delivered, cpuAfter] = [tally.delivered - before, cpuMs()];
	rates.push(delivered / ((performance.now() - since) / 1_000));
	if (cpuBefore !== undefined && cpuAfter !== undefined) cpu.push((cpuAfter - cpuBefore) / delivered);
}

async function opened(queue: Queue, cluster: Cluster): Promise<Measured | undefined> {
	process.stderr.write(`filling ${queue.name}: ${queue.settings} …\n`);
	const open = await queue.open(await cluster.database());
	if (!open) {
		process.stderr.write(`${queue.name} is left out: there is no redis-server on PATH\n`);
		return undefined;
	}
	const measured: Measured = { queue, open, ...createWatch(), added: 0, taken: 0, rates: [], cpu: [] };
	measured.taken = await fill(measured);
	return measured;
}

/** Targets beside the peers that promise an order on PostgreSQL, and beside a quick one that promises none. */
const targets = new Map<Queue, Target>([
	...pgBoss.map((queue): [Queue, Target] => [queue, { atLeast: queue.name.endsWith("1000") ? 2 : 20 }]),
	[graphileWorker, { atLeast: 50 }],
	...bullMq.slice(-1).map((queue): [Queue, Target] => [queue, { atLeast: 0.8 }]),
]);

function resultsOf(ours: Measured, peers: Measured[]): Result[] {
	const all = { betterIs: "higher", unit: "events/s" } as const;
	const broken = ({ tally }: Measured) => [tally.outOfOrder + tally.doubles];
	const { waiting, people } = settings;
	return peers.flatMap((peer): Result[] => {
		const target = targets.get(peer.queue);
		return [
			{
				...all,
				name: `delivered in each person's order, ${waiting.toLocaleString("en")} waiting for ${people.toLocaleString("en")} people`,
				ours: ours.rates,
				theirs: peer.rates,
				peer: peer.queue.name,
				...(target && { target }),
			},
			{
				name: "CPU for a delivered event, database and all",
				unit: "ms",
				betterIs: "lower",
				ours: ours.cpu,
				theirs: peer.cpu,
				peer: peer.queue.name,
			},
			{ ...all, name: "taken in, durably", ours: [ours.taken], theirs: [peer.taken], peer: peer.queue.name },
			{
				name: "delivered out of order or twice",
				unit: "events",
				betterIs: "lower",
				ours: broken(ours),
				theirs: broken(peer),
				peer: peer.queue.name,
			},
		];
	});
}

async function queues(cluster: Cluster, fail: Fail): Promise<Result[]> {
	const ours = await opened(eventferry, cluster);
	if (!ours) throw new Error("eventferry's store cannot be opened");
	const peers: Measured[] = [];
	for (const queue of [...pgBoss, graphileWorker, ...bullMq]) {
		const peer = await opened(queue, cluster).catch((error: unknown) => fail(queue.name, error));
		if (peer) peers.push(peer);
	}
	for (let place = 0; place <= settings.rounds; place += 1) {
		for (const measured of [ours, ...peers]) {
			process.stderr.write(`${place === 0 ? "warm-up" : `round ${place}`}: ${measured.queue.name} …\n`);
			await fill(measured);
			if (place === 0) await measured.open.work(measured.deliver, settings.ms / 4);
			else await round(measured);
		}
	}
	for (const { open } of [ours, ...peers]) await open.close();
	const { outOfOrder, doubles } = ours.tally;
	if (outOfOrder + doubles > 0) fail("eventferry", new Error(`${outOfOrder} out of order, ${doubles} twice`));
	return resultsOf(ours, peers);
}

const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const cluster = await startPostgres({ isDurable: true });
const [server] = await cluster.run("SHOW server_version");
const versions = { PostgreSQL: String(server?.server_version), Redis: redisVersion() ?? "none", ...dependencies };
const runs = chosen.map((name) => [name, async (fail: Fail) => (await sections[name]?.(cluster, fail)) ?? []]);
const isDone = await measure(Object.fromEntries(runs), { json: values.json, versions, after: stopAll });
await cluster.stop();
process.exit(isDone ? 0 : 1);
