import type { NewEvent, Outbox } from "../../../server/outbox/outbox.ts";
import { openPostgres } from "../../../server/outbox/postgres/open.ts";
import { type Deliver, type Job, payload, type Queue } from "./queue.ts";

const destination = { site: "site", name: "crisp" };
const takers = 4;
const lanes = 250;

async function add(outbox: Outbox, jobs: Job[]): Promise<void> {
	const events = jobs.map((job): NewEvent => {
		const body = JSON.stringify({ ...job, payload });
		const id = `id ${job.person} ${job.n}`;
		return {
			person: job.person,
			body,
			destinations: ["crisp"],
			claims: [{ key: id, reason: "duplicate", at: 0, since: 0, until: 1e13 }],
			rank: 0,
			reserved: false,
			trusted: false,
		};
	});
	for (let from = 0; from < events.length; from += 5_000) {
		const batches = Array.from({ length: 50 }, (_, index) =>
			events.slice(from + 100 * index, from + 100 * index + 100),
		);
		await Promise.all(
			batches.filter(({ length }) => length > 0).map((batch) => outbox.append({ site: "site", events: batch })),
		);
	}
	while ((await outbox.stats()).journal > 0);
}

async function work(outbox: Outbox, deliver: Deliver, ms: number): Promise<void> {
	const until = performance.now() + ms;
	async function taker(): Promise<void> {
		while (performance.now() < until) {
			const { leases } = await outbox.take({
				destination,
				lanes,
				deliveries: 1,
				served: 0,
				reservedOnly: false,
				holding: [],
				now: Date.now(),
				leaseMs: 60_000,
			});
			const ended = { count: 1, ending: { kind: "delivered" } } as const;
			await Promise.all(
				leases.map(async (lease) => {
					await deliver(JSON.parse(lease.bodies[0] ?? ""));
					await outbox.settle({ lease, now: Date.now(), ended, sent: true });
				}),
			);
		}
	}
	await Promise.all(Array.from({ length: takers }, taker));
}

export default {
	name: "eventferry",
	settings: `${takers} takers of ${lanes} lanes; each event settled by itself, deduplicated by its id for 31 days`,
	async open(url) {
		const outbox = await openPostgres(url);
		return {
			add: (jobs) => add(outbox, jobs),
			work: (deliver, ms) => work(outbox, deliver, ms),
			close: () => outbox.close(),
		};
	},
} satisfies Queue;
