import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { budgetLimits } from "../../server/delivery/budget.ts";
import type { Lease, Outbox } from "../../server/outbox/outbox.ts";
import { openPostgres } from "../../server/outbox/postgres/open.ts";
import { type Cluster, startPostgres } from "../support/postgres.ts";
import type { SectionOf } from "./benches.ts";
import { type Child, start, stopAll } from "./children.ts";
import { fanOutSpeed, logBytes, oldTransaction } from "./database.ts";
import { appendAll, crisp, event, lanes, takeDefaults } from "./lanes.ts";
import { measure } from "./measure.ts";
import { costs, statementsOf } from "./million.ts";
import { cpuMs } from "./queues/cpu.ts";
import type { Result } from "./result.ts";
import { ingest } from "./sections.ts";

const usage = `node test/bench/postgres.ts [lanes] [group] [scale] [ingest] [million] [oldTransaction] [log] [fanOut] [--waiting N] [--events N] [--seconds S] [--rounds N] [--json]
Measures the store and the proxy on PostgreSQL. Only ratios within one run are comparable.\n`;
const { values, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		/** Number of deliveries waiting in the large store. */
		waiting: { type: "string", default: "1000000" },
		/** Number of events in the section `group`. */
		events: { type: "string", default: "100000" },
		/** Length of each measured round. */
		seconds: { type: "string", default: "2" },
		rounds: { type: "string", default: "5" },
		json: { type: "boolean", default: false },
		help: { type: "boolean", default: false },
	},
});
const settings = {
	waiting: Number(values.waiting),
	events: Number(values.events),
	ms: Number(values.seconds) * 1_000,
	rounds: Number(values.rounds),
};

/** Limit of the group's destination in requests per second, low enough for a busy machine to reach. */
const perSecond = 200;
const limits = budgetLimits({ requests: perSecond * 60, per: "minute" }, {});

interface Delivered {
	sent: number;
	seconds: number;
	outOfOrder: number;
}

/**
 * Delivers from several open stores at once, each like a process of its own. Ends after `ms`; without the limit, ends
 * earlier once nothing is owed.
 */
async function deliver(
	outboxes: Outbox[],
	order: Map<string, number>,
	ms: number,
	isLimited: boolean,
): Promise<Delivered> {
	const since = performance.now();
	let sent = 0;
	let outOfOrder = 0;
	async function request(outbox: Outbox, lease: Lease): Promise<void> {
		const place = Number(lease.bodies[0]);
		if (place !== (order.get(lease.person) ?? 0)) outOfOrder += 1;
		order.set(lease.person, place + 1);
		sent += 1;
		const ended = { count: 1, ending: { kind: "delivered" } } as const;
		await outbox.settle({ lease, now: Date.now(), ended, sent: true });
	}
	async function worker(outbox: Outbox): Promise<void> {
		while (performance.now() - since < ms) {
			let lanes = 100;
			if (isLimited) {
				const { granted, nextAt } = await outbox.advance({ destination: crisp, limits, want: 10, now: Date.now() });
				if (granted === 0) await delay(Math.max(1, Math.min(50, nextAt - Date.now())));
				lanes = granted;
			}
			if (lanes === 0) continue;
			const { leases } = await outbox.take({ ...takeDefaults, lanes, deliveries: 1, now: Date.now() });
			if (leases.length === 0 && !isLimited) return;
			await Promise.all(leases.map((lease) => request(outbox, lease)));
		}
	}
	await Promise.all(outboxes.map(worker));
	return { sent, seconds: (performance.now() - since) / 1_000, outOfOrder };
}

/** Spends the burst that a budget has saved up; resolves to its number of requests. */
async function takeSaved(outbox: Outbox): Promise<number> {
	let taken = 0;
	for (let granted = -1; granted !== 0; taken += granted) {
		({ granted } = await outbox.advance({ destination: crisp, limits, want: limits.bucket, now: Date.now() }));
	}
	return taken;
}

async function group(cluster: Cluster): Promise<Result[]> {
	const results: Result[] = [];
	const people = 2_000;
	let outOfOrder = 0;
	let total = 0;
	const group = { sent: [] as number[], allowed: [] as number[] };
	for (const count of [1, 2, 4]) {
		const url = await cluster.database();
		const outboxes = await Promise.all(Array.from({ length: count }, () => openPostgres(url)));
		const texts = Array.from({ length: Math.ceil(settings.events / 3) }, (_, index) =>
			String(Math.floor(index / people)),
		);
		await appendAll(
			outboxes[0] as Outbox,
			texts.map((text, index) => event(index % people, text)),
		);
		const order = new Map<string, number>();
		const since = performance.now();
		// Spend the burst first, because delivering it would exceed the limit in the measured rounds.
		const saved = await takeSaved(outboxes[0] as Outbox);
		const runs: Delivered[] = [];
		// Round 0 warms up and is not counted.
		for (let round = 0; round <= settings.rounds; round += 1) {
			runs.push(await deliver(outboxes, order, 2 * settings.ms, true));
		}
		const sum = (value: (run: Delivered) => number) => runs.reduce((result, run) => result + value(run), 0);
		group.sent.push(saved + sum(({ sent }) => sent));
		group.allowed.push(limits.bucket + (perSecond * (performance.now() - since)) / 1_000);
		runs.push(await deliver(outboxes, order, Number.POSITIVE_INFINITY, false));
		outOfOrder += sum((run) => run.outOfOrder);
		total += sum(({ sent }) => sent);
		await Promise.all(outboxes.map((outbox) => outbox.close()));
		const limited = runs.slice(1, -1);
		results.push({
			name: count === 1 ? "one process delivers" : `${count} processes deliver together`,
			unit: "requests/s",
			ours: limited.map(({ sent, seconds }) => sent / seconds),
			theirs: limited.map(() => perSecond),
			peer: "the limit",
			betterIs: "higher",
			// A request under way as a round ends counts in the next, so a round may exceed the limit a little.
			target: { atLeast: 0.95, atMost: 1.01 },
		});
	}
	return [
		...results,
		{
			name: "all that was sent, by 1, 2 and 4 processes",
			unit: "requests",
			ours: group.sent,
			theirs: group.allowed,
			peer: "limit + burst",
			betterIs: "lower",
			target: { atMost: 1 },
		},
		{
			name: `events out of order, of ${total.toLocaleString("en")}`,
			unit: "",
			ours: [outOfOrder],
			theirs: [],
			peer: "",
			betterIs: "lower",
			target: { atMost: 0 },
		},
	];
}

async function durable(cluster: Cluster): Promise<Result[]> {
	const [rate, ...others] = await ingest({ ...settings, destinations: 3 }, await cluster.database());
	const untargeted = others.map(({ target: _, ...result }) => result);
	return rate ? [{ ...rate, target: { atLeast: 0.1 } }, ...untargeted] : untargeted;
}

/** Duration of a request of the section `scale`, ms, and the requests of one process under way at a time. */
const [requestMs, concurrency] = [20, 4];

/** Delivers a backlog by whole proxies to a provider that takes 20 ms, without a limit. Without a cluster: from SQLite. */
async function scaled(count: number, cluster?: Cluster) {
	const sink = await start("sink");
	await sink.ask("mode", "hold");
	const store = await cluster?.database();
	const options = { sink: await sink.ask<string>("url"), destinations: 1, ...(store && { store }) };
	const proxies = [await start("proxy", options)];
	const load = await start("load");
	const url = await proxies[0]?.ask<string>("url");
	await load.ask("round", { url, ms: settings.ms, connections: 8, tracksOnly: true });
	await proxies[0]?.ask("fannedOut");
	while (proxies.length < count) proxies.push(await start("proxy", options));
	await sink.ask("delay", requestMs);
	await sink.ask("mode", "answer");
	const cpuOf = async (children: Child[]) =>
		(await Promise.all(children.map((child) => child.ask<number>("cpu")))).reduce((sum, us) => sum + us / 1_000, 0);
	const read = async () => {
		const { user, system } = process.cpuUsage();
		const ours = await cpuOf(proxies);
		return {
			at: performance.now(),
			events: await sink.ask<number>("answered"),
			ours,
			cpu: cluster ? (cpuMs() ?? Number.NaN) - (user + system) / 1_000 - (await cpuOf([sink, load])) : ours,
			statements: cluster ? await statementsOf(cluster) : 0,
		};
	};
	const rounds = [];
	for (let round = 0; round <= settings.rounds; round += 1) {
		const before = await read();
		await delay(settings.ms);
		const after = await read();
		const each = (name: "ours" | "cpu" | "statements") => (after[name] - before[name]) / (after.events - before.events);
		const rate = (after.events - before.events) / ((after.at - before.at) / 1_000);
		rounds.push({ rate, ours: each("ours"), cpu: each("cpu"), statements: each("statements") });
	}
	await stopAll();
	return rounds.slice(1);
}

async function scale(cluster: Cluster): Promise<Result[]> {
	await cluster.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
	const alone = await scaled(1);
	const results: Result[] = [];
	let one: number[] = [];
	for (const count of [1, 2, 4]) {
		const rounds = await scaled(count, cluster);
		const name = count === 1 ? "one proxy" : `${count} proxies`;
		const rates = rounds.map(({ rate }) => rate);
		if (count === 1) one = rates;
		const perSecond = (concurrency * 1_000) / requestMs;
		const [peer, theirs] = count === 1 ? ["what the provider allows", rates.map(() => perSecond)] : ["one proxy", one];
		const costs = { name: `${name}: CPU an event, database and all`, unit: "ms", betterIs: "lower" } as const;
		const cpu = rounds.map((each) => each.cpu);
		results.push(
			{
				name: count === 1 ? `${name}, a provider of ${requestMs} ms` : name,
				unit: "events/s",
				ours: rates,
				theirs,
				peer,
				betterIs: "higher",
				...(count > 1 && { target: { atLeast: 0.95 } }),
			},
			{ ...costs, ours: cpu, theirs: [], peer: "", target: { atMost: 1 } },
			{ ...costs, ours: cpu, theirs: alone.map((each) => each.cpu), peer: "one proxy on SQLite" },
			{ ...costs, name: `${name}: CPU an event, proxies`, ours: rounds.map(({ ours }) => ours), theirs: [], peer: "" },
			{
				name: `${name}: statements an event`,
				unit: "",
				ours: rounds.map((each) => each.statements),
				theirs: [],
				peer: "",
				betterIs: "lower",
				target: { atMost: 4 },
			},
		);
	}
	return results;
}

const sections: Record<string, (cluster: Cluster) => Promise<Result[]>> = {
	lanes: (cluster: Cluster) => lanes(cluster, settings),
	group,
	scale,
	ingest: durable,
	million: (cluster: Cluster) => costs(settings.rounds, cluster),
	oldTransaction: (cluster: Cluster) => oldTransaction(cluster, settings.rounds),
	log: (cluster: Cluster) => logBytes(cluster, settings.rounds),
	fanOut: (cluster: Cluster) => fanOutSpeed(cluster, settings.rounds),
} satisfies Record<SectionOf<"postgres">, unknown>;
const chosen = positionals.length > 0 ? positionals : Object.keys(sections);
if (
	values.help ||
	chosen.some((name) => !(name in sections)) ||
	Object.values(settings).some((value) => !(value > 0))
) {
	process.stderr.write(usage);
	process.exit(values.help ? 0 : 2);
}
const cluster = await startPostgres({ isDurable: true, flags: ["-c", "shared_preload_libraries=pg_stat_statements"] });
const runs = chosen.map((name) => [name, async () => (await sections[name]?.(cluster)) ?? []]);
const [server] = await cluster.run("SHOW server_version");
const versions = { PostgreSQL: String(server?.server_version) };
const isDone = await measure(Object.fromEntries(runs), { json: values.json, versions, after: stopAll });
await cluster.stop();
process.exit(isDone ? 0 : 1);
