import { parseArgs } from "node:util";
import { type Cluster, startPostgres } from "../../support/postgres.ts";
import { atLeast, median, print, type Row } from "../measure.ts";
import bullMq from "./bullmq.ts";
import eventferry from "./eventferry.ts";
import graphileWorker from "./graphile-worker.ts";
import pgBoss from "./pg-boss.ts";
import type { Job, OpenQueue, Queue } from "./queue.ts";
import { createWatch, type Seen } from "./watch.ts";

const usage = `npm run bench:queues -- [--rounds N] [--waiting N] [--people N] [--seconds S]
What the lanes on PostgreSQL deliver beside other queues, each event to a receiver that does nothing. Ratios within one run.\n`;
const { values } = parseArgs({
	options: {
		rounds: { type: "string", default: "3" },
		/** Events that wait at the start of each round, and whose they are. */
		waiting: { type: "string", default: "200000" },
		people: { type: "string", default: "20000" },
		/** Length of a round of each queue. */
		seconds: { type: "string", default: "10" },
		help: { type: "boolean", default: false },
	},
});
const settings = {
	rounds: Number(values.rounds),
	waiting: Number(values.waiting),
	people: Number(values.people),
	ms: Number(values.seconds) * 1_000,
};
if (values.help || Object.values(settings).some((value) => !(value > 0))) {
	process.stderr.write(usage);
	process.exit(values.help ? 0 : 2);
}

/** One queue under measurement. */
interface Measured {
	queue: Queue;
	open: OpenQueue;
	/** Events given to it so far. */
	added: number;
	seen: Seen;
	deliver: ReturnType<typeof createWatch>["deliver"];
	/** Events per second, round by round: delivered, and taken in when it was filled. */
	rates: number[];
	taken: number[];
}

/** Events for all people in turn, so that each person's follow each other in strict order. */
async function fill(measured: Measured): Promise<void> {
	const missing = settings.waiting - (measured.added - measured.seen.delivered);
	const jobs = Array.from({ length: Math.max(0, missing) }, (_, index): Job => {
		const place = measured.added + index;
		return { person: `person ${place % settings.people}`, n: Math.floor(place / settings.people) };
	});
	const since = performance.now();
	await measured.open.add(jobs);
	if (measured.added === 0) measured.taken.push(jobs.length / ((performance.now() - since) / 1_000));
	measured.added += jobs.length;
}

async function round(measured: Measured, ms: number): Promise<number> {
	const { open, seen, deliver } = measured;
	const [before, since] = [seen.delivered, performance.now()];
	await open.work(deliver, ms);
	return (seen.delivered - before) / ((performance.now() - since) / 1_000);
}

async function measure(cluster: Cluster, queues: Queue[]): Promise<{ all: Measured[]; missing: Queue[] }> {
	const all: Measured[] = [];
	const missing: Queue[] = [];
	for (const queue of queues) {
		process.stderr.write(`filling ${queue.name} …\n`);
		const open = await queue.open(await cluster.database());
		if (!open) {
			missing.push(queue);
			continue;
		}
		const measured: Measured = { queue, open, added: 0, ...createWatch(), rates: [], taken: [] };
		await fill(measured);
		all.push(measured);
	}
	for (let place = 0; place <= settings.rounds; place += 1) {
		for (const measured of all) {
			process.stderr.write(`${place === 0 ? "once for nothing" : `round ${place}`}: ${measured.queue.name} …\n`);
			await fill(measured);
			const rate = await round(measured, place === 0 ? settings.ms / 4 : settings.ms);
			if (place > 0) measured.rates.push(rate);
		}
	}
	return { all, missing };
}

const order = ({ seen: { doubles, outOfOrder }, queue }: Measured) =>
	doubles + outOfOrder === 0
		? "order kept, no doubles"
		: `${outOfOrder} out of order${queue.isOrdered ? "" : " (none promised)"}, ${doubles} doubles`;

/** Targets of issues: how many times each peer's rate ours is to be. */
const targets: Record<string, number> = { "pg-boss, one at a time": 20, "graphile-worker": 50 };

function rowsOf(all: Measured[]): Row[] {
	const [ours, ...peers] = all;
	if (!ours) return [];
	return [
		...all.map(
			(measured): Row => ({
				what: `${measured.queue.name}: events/s`,
				values: measured.rates,
				target: "",
				meets: () => true,
				note: `${order(measured)}; filled at ${Math.round(median(measured.taken))}/s`,
			}),
		),
		...peers.map(({ queue, rates }): Row => {
			const target = targets[queue.name];
			return {
				what: `eventferry ÷ ${queue.name}`,
				values: rates.map((rate, place) => (ours.rates[place] ?? 0) / rate),
				target: target === undefined ? "" : `>= ${target}`,
				meets: target === undefined ? () => true : atLeast(target),
			};
		}),
		{
			what: "events out of order or doubled by eventferry",
			values: [ours.seen.outOfOrder + ours.seen.doubles],
			target: "0",
			meets: (value) => value === 0,
		},
	];
}

const cluster = await startPostgres({ isDurable: true });
try {
	const { all, missing } = await measure(cluster, [eventferry, ...pgBoss, graphileWorker, ...bullMq]);
	print(rowsOf(all));
	process.stdout.write(
		`\n${settings.waiting} waiting for ${settings.people} people; ${settings.ms / 1_000} s a round of each, in turn\n`,
	);
	for (const { queue } of all) process.stdout.write(`${queue.name}: ${queue.settings}\n`);
	for (const { name } of missing) process.stdout.write(`${name}: not measured: there is no redis-server on PATH\n`);
	for (const { open } of all) await open.close();
} finally {
	await cluster.stop();
}
process.exit();
