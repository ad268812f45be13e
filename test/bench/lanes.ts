import type { Claim, NewEvent, Outbox } from "../../server/outbox/outbox.ts";
import { openPostgres } from "../../server/outbox/postgres/open.ts";
import type { Cluster } from "../support/postgres.ts";
import type { Result } from "./result.ts";

export const crisp = { site: "site", name: "crisp" };
/** Request for any lane of `crisp` without a reserve or a hold. */
export const takeDefaults = {
	destination: crisp,
	deliveries: 100,
	served: 0,
	reservedOnly: false,
	holding: [],
	leaseMs: 60_000,
};
const text = JSON.stringify({ event: { name: "x".repeat(400) } });
let number = 0;

/** Creates an event of a person, with a claim of its own. */
export function event(person: number, body = text): NewEvent {
	number += 1;
	const claim: Claim = { key: `id ${number}`, reason: "duplicate", at: 0, since: 0, until: 1e13 };
	return {
		person: `person ${person}`,
		body,
		destinations: ["crisp"],
		claims: [claim],
		rank: 0,
		reserved: false,
		trusted: false,
	};
}

/** Appends events in batches of 100; resolves once all are in lanes. */
export async function appendAll(outbox: Outbox, events: NewEvent[]): Promise<void> {
	const batches = Array.from({ length: Math.ceil(events.length / 100) }, (_, index) =>
		events.slice(100 * index, 100 * index + 100),
	);
	for (let from = 0; from < batches.length; from += 50) {
		await Promise.all(batches.slice(from, from + 50).map((each) => outbox.append({ site: "site", events: each })));
	}
	while ((await outbox.stats()).journal > 0);
}

/**
 * Settles the first events of leased lanes as delivered, with two concurrent takers of `lanes` lanes, until at least
 * `events` are settled; resolves to their number and the time in ms.
 */
export async function settleFirst(outbox: Outbox, events: number, lanes = 100): Promise<{ done: number; ms: number }> {
	const since = performance.now();
	let done = 0;
	async function taker(): Promise<void> {
		while (done < events) {
			const { leases } = await outbox.take({ ...takeDefaults, lanes, deliveries: 1, now: Date.now() });
			if (leases.length === 0) throw new Error("too few events wait");
			done += leases.length;
			const ended = { count: 1, ending: { kind: "delivered" } } as const;
			await Promise.all(leases.map((lease) => outbox.settle({ lease, now: Date.now(), ended, sent: true })));
		}
	}
	await Promise.all([taker(), taker()]);
	return { done, ms: performance.now() - since };
}

/** Number of events waiting per person. Both stores differ only in the number of people. */
const depth = 10;
/** Number of events waiting in the small store. */
const smallBacklog = 10_000;
/** Number of events settled in one turn of a store. */
const eventsPerTurn = 1_000;
/** Number of turns per store and round. The stores alternate, so that a slower machine slows both. */
const turns = 6;

/** Opens a store on an empty database and appends `waiting` events, ten for each person. */
export async function openWaiting(cluster: Cluster, waiting: number) {
	const url = await cluster.database();
	const outbox = await openPostgres(url);
	let next = 0;
	/** Appends events for all people in turn. Lanes are served in the same order, so all keep the same depth. */
	async function add(count: number): Promise<void> {
		for (let left = count; left > 0; left -= 10_000) {
			await appendAll(
				outbox,
				Array.from({ length: Math.min(left, 10_000) }, () => event(next++ % Math.ceil(waiting / depth))),
			);
		}
	}
	const vacuum = () => cluster.run("VACUUM ANALYZE", new URL(url).pathname.slice(1));
	await add(waiting);
	// Vacuum now, because autovacuum would otherwise run while only one of the stores is measured.
	await vacuum();
	return { url, outbox, add, vacuum };
}

/** Settles events of a store and appends as many new ones; resolves to the ms that an event takes to be settled. */
async function work({ outbox, add }: Awaited<ReturnType<typeof openWaiting>>): Promise<number> {
	const { done, ms } = await settleFirst(outbox, eventsPerTurn);
	await add(done);
	return ms / done;
}

/**
 * Rate of leased lanes in strict order per person, many events waiting ÷ 10,000. Both stores have equally deep lanes,
 * settle the same number of events and get as many new ones.
 */
export async function lanes(cluster: Cluster, { waiting, rounds }: { waiting: number; rounds: number }) {
	const stores = [await openWaiting(cluster, waiting), await openWaiting(cluster, smallBacklog)] as const;
	await cluster.run("CHECKPOINT");
	const rates: [number[], number[]] = [[], []];
	// Round 0 warms up and is not counted.
	for (let round = 0; round <= rounds; round += 1) {
		const ms = [0, 0];
		for (let turn = 0; turn < 2 * turns; turn += 1) {
			const index = turn % 4 === 0 || turn % 4 === 3 ? 0 : 1;
			ms[index] = (ms[index] ?? 0) + (await work(stores[index]));
		}
		if (round > 0) for (const index of [0, 1] as const) rates[index].push((1_000 * turns) / (ms[index] ?? 0));
	}
	await Promise.all(stores.map(({ outbox }) => outbox.close()));
	return [
		{
			name: `leased lanes, strict order, ${waiting.toLocaleString("en")} waiting`,
			unit: "events/s",
			ours: rates[0],
			theirs: rates[1],
			peer: "10,000 waiting",
			betterIs: "higher",
			target: { atLeast: 0.8 },
		},
	] satisfies Result[];
}
