import pg from "pg";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Outbox } from "../../server/outbox/outbox.ts";
import { openPostgres } from "../../server/outbox/postgres/open.ts";
import { type Cluster, startPostgres } from "../support/postgres.ts";
import { startRelay } from "./relay.ts";

const crisp = { site: "site", name: "crisp" };
const takeAll = { destination: crisp, lanes: 100, deliveries: 100, served: 0, reservedOnly: false, holding: [] };
const event = (person: string, body: string) => ({
	person,
	body,
	destinations: ["crisp"],
	claims: [],
	rank: 0,
	reserved: false,
	trusted: false,
});

let cluster: Cluster;
beforeAll(async () => {
	cluster = await startPostgres();
});
afterAll(() => cluster.stop());

const take = async (outbox: Outbox) => (await outbox.take({ ...takeAll, now: Date.now(), leaseMs: 60_000 })).leases;

it("a lane whose lease was lost because a connection broke is free again long before the lease would end", async () => {
	const url = await cluster.database();
	const relay = await startRelay(cluster.port);
	const outbox = await openPostgres(Object.assign(new URL(url), { port: relay.port }).href);
	const blocker = new pg.Client({ connectionString: url });
	try {
		await outbox.append({ site: "site", events: [event("ada", "1"), event("bob", "2")] });
		await vi.waitFor(async () => expect((await outbox.stats()).journal).toBe(0), { timeout: 30_000 });
		const [held] = await outbox
			.take({ ...takeAll, lanes: 1, now: Date.now(), leaseMs: 60_000 })
			.then(({ leases }) => leases);
		const leased = async () => {
			const { rows } = await blocker.query(
				"SELECT count(*)::integer AS lanes FROM eventferry.lane WHERE state = 'leased'",
			);
			return rows[0].lanes;
		};
		// The take waits to read what is known of people, and leases the lanes once its answer cannot arrive any more.
		await blocker.connect();
		await blocker.query("BEGIN; LOCK TABLE eventferry.known IN ACCESS EXCLUSIVE MODE");
		const lost = take(outbox).catch(() => "lost");
		const blocked = async () => (await blocker.query("SELECT FROM pg_locks WHERE NOT granted")).rowCount;
		await vi.waitFor(async () => expect(await blocked()).toBe(1), { timeout: 30_000, interval: 10 });
		relay.cut();
		expect(await lost).toBe("lost");
		relay.heal();
		await blocker.query("COMMIT");
		await vi.waitFor(async () => expect(await leased()).toBe(2), { timeout: 30_000, interval: 10 });
		const [again] = await vi.waitFor(
			async () => {
				const leases = await take(outbox);
				expect(leases).toHaveLength(1);
				return leases;
			},
			{ timeout: 15_000, interval: 100 },
		);
		expect(again?.person).not.toBe(held?.person);
		// The lease that had arrived is not freed.
		if (held) expect(await outbox.settle({ lease: held, now: Date.now() })).toBe("remains");
	} finally {
		await blocker.end();
		await outbox.close();
		await relay.stop();
	}
}, 60_000);
