import type { Claim, NewEvent, Outbox } from "../../server/outbox/outbox.ts";
import { openPostgres } from "../../server/outbox/postgres/open.ts";
import type { Cluster } from "../support/postgres.ts";
import type { Result } from "./result.ts";

export const crisp = { site: "site", name: "crisp" };
export const every = {
	destination: crisp,
	deliveries: 100,
	served: 0,
	reservedOnly: false,
	holding: [],
	leaseMs: 60_000,
};
const text = JSON.stringify({ event: { name: "x".repeat(400) } });
let number = 0;

/** An event of a person, like no other. */
export function event(person: number, body = text): NewEvent {
	number += 1;
	const claim: Claim = { key: `id ${number}`, reason: "duplicate", at: 0, since: 0, until: 1e13 };
	return { person: `person ${person}`, body, destinations: ["crisp"], claims: [claim], rank: 0, reserved: false };
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

/** Events that wait for each person, in the small store and in the large: only how many people wait differs. */
const depth = 10;
const few = 10_000;
/** Events that are settled in one go, and goes of each store in a round, by turns: what slows the machine slows both. */
const atOnce = 1_000;
const goes = 6;

async function openWaiting(cluster: Cluster, waiting: number) {
	const url = await cluster.database();
	const outbox = await openPostgres(url);
	let next = 0;
	/** As many events more, each person's in turn, as lanes are served: so all stay as deep. */
	async function add(count: number): Promise<void> {
		for (let left = count; left > 0; left -= 10_000) {
			await appendAll(
				outbox,
				Array.from({ length: Math.min(left, 10_000) }, () => event(next++ % Math.ceil(waiting / depth))),
			);
		}
	}
	/** Takes lanes and settles their first event, 100 at a time and two takers at once; resolves to ms per event. */
	async function work(): Promise<number> {
		const since = performance.now();
		let done = 0;
		async function taker(): Promise<void> {
			while (done < atOnce) {
				const { leases } = await outbox.take({ ...every, lanes: 100, deliveries: 1, now: Date.now() });
				done += leases.length;
				const ended = { count: 1, ending: { kind: "delivered" } } as const;
				await Promise.all(leases.map((lease) => outbox.settle({ lease, now: Date.now(), ended, sent: true })));
			}
		}
		await Promise.all([taker(), taker()]);
		const ms = performance.now() - since;
		await add(done);
		return ms / done;
	}
	await add(waiting);
	// What filling leaves to be done would otherwise be done at some time while only one of them is measured.
	await cluster.run("VACUUM ANALYZE", new URL(url).pathname.slice(1));
	return { work, close: () => outbox.close() };
}

/**
 * Leased lanes in strict order per person, many waiting ÷ 10,000: of both stores the same number of events is settled,
 * with the same number before them and appended again behind, from lanes that are equally deep.
 */
export async function lanes(cluster: Cluster, { waiting, rounds }: { waiting: number; rounds: number }) {
	const stores = [await openWaiting(cluster, waiting), await openWaiting(cluster, few)] as const;
	await cluster.run("CHECKPOINT");
	const rates: [number[], number[]] = [[], []];
	// The first round is not counted.
	for (let round = 0; round <= rounds; round += 1) {
		const ms = [0, 0];
		for (let go = 0; go < 2 * goes; go += 1) {
			const which = go % 4 === 0 || go % 4 === 3 ? 0 : 1;
			ms[which] = (ms[which] ?? 0) + (await stores[which].work());
		}
		if (round > 0) for (const which of [0, 1] as const) rates[which].push((1_000 * goes) / (ms[which] ?? 0));
	}
	await Promise.all(stores.map((store) => store.close()));
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
