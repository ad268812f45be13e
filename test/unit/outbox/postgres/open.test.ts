import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { claimsOfEvent } from "../../../../server/ingest/claims.ts";
import { bodiesStart, sealBatch } from "../../../../server/outbox/journal-row.ts";
import { type Claim, type Outbox, StoreOpenError, StoreUnavailableError } from "../../../../server/outbox/outbox.ts";
import type { Database, Run } from "../../../../server/outbox/postgres/connection.ts";
import { createCounters } from "../../../../server/outbox/postgres/counters.ts";
import { openDatabase } from "../../../../server/outbox/postgres/database.ts";
import { createDestinations } from "../../../../server/outbox/postgres/destinations.ts";
import { createFanOut } from "../../../../server/outbox/postgres/fan-out.ts";
import { createFanOutLoop } from "../../../../server/outbox/postgres/fan-out-loop.ts";
import { insertBatches } from "../../../../server/outbox/postgres/journal.ts";
import { createLeases } from "../../../../server/outbox/postgres/leases.ts";
import { noticeFrom } from "../../../../server/outbox/postgres/notices.ts";
import { openPostgres } from "../../../../server/outbox/postgres/open.ts";
import { createRoom } from "../../../../server/outbox/postgres/room.ts";
import { tryLockWriting } from "../../../../server/outbox/postgres/schema.ts";
import { createStats } from "../../../../server/outbox/postgres/stats.ts";
import { type Cluster, startPostgres } from "../../../support/postgres.ts";
import { modelSuite, type Real } from "../model-suite.ts";
import { outboxSuite } from "../outbox-suite.ts";

let cluster: Cluster;
beforeAll(async () => {
	cluster = await startPostgres();
});
afterAll(() => cluster.stop());

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
	for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(url: string, options?: { maxBytes: number }): Promise<Outbox> {
	const outbox = await openPostgres(url, options);
	cleanups.push(() => outbox.close());
	return outbox;
}

const asVersion1 = `
	ALTER TABLE lane DROP COLUMN behind, DROP COLUMN trusted, DROP COLUMN asleep,
		DROP COLUMN leased_until, ADD UNIQUE (destination, person);
	DROP INDEX IF EXISTS lane_person, lane_next_reserved, lane_longest_reserved;
	CREATE INDEX lane_rank ON lane (destination, rank, turn) WHERE state = 'ready';
	CREATE INDEX lane_turn ON lane (destination, turn) WHERE state = 'ready';
	CREATE INDEX lane_due ON lane (destination, due_at) WHERE state <> 'ready';
	CREATE INDEX lane_leased ON lane (owner) WHERE state = 'leased';
	DROP INDEX dead_letter_untrusted;
	ALTER TABLE dead_letter DROP COLUMN trusted;
	ALTER TABLE claim DROP COLUMN trusted;
	ALTER TABLE journal DROP COLUMN stored_at;
	ALTER TABLE bundle DROP COLUMN ends;
	ALTER TABLE owner DROP COLUMN revision;
	CREATE INDEX claim_until ON claim (until);
	DROP TABLE forgotten;
	ALTER TABLE schema DROP COLUMN revision;
`;

describe("the PostgreSQL outbox", () => {
	outboxSuite(async () => {
		const url = await cluster.database();
		let outbox = await open(url);
		return {
			outbox,
			asVersion1,
			async reopen(sql, options) {
				await outbox.close();
				if (sql) await cluster.run(`SET search_path TO eventferry; ${sql}`, url.slice(url.lastIndexOf("/") + 1));
				outbox = await open(url, options);
				return outbox;
			},
		};
	});

	modelSuite(async () => {
		const url = await cluster.database();
		const real: Real = {
			outbox: await openPostgres(url),
			async reopen() {
				await real.outbox.close();
				return openPostgres(url);
			},
		};
		return real;
	});

	const event = (person: string, body: string, claims: Claim[] = []) => ({
		person,
		body,
		destinations: ["crisp"],
		claims,
		rank: 0,
		reserved: false,
		trusted: false,
	});
	const crisp = { site: "site", name: "crisp" };
	const everything = { destination: crisp, lanes: 100, deliveries: 100, served: 0, reservedOnly: false, holding: [] };
	const take = async (outbox: Outbox, now = 0) => (await outbox.take({ ...everything, now, leaseMs: 60_000 })).leases;
	const fannedOut = (outbox: Outbox) =>
		vi.waitFor(async () => expect((await outbox.stats()).journal).toBe(0), { timeout: 60_000 });
	async function appended(outbox: Outbox, ...events: ReturnType<typeof event>[]): Promise<void> {
		await outbox.append({ site: "site", events });
		await fannedOut(outbox);
	}

	it("keeps one lane a person while an older process restarts, as that one would put events behind another lane's", async () => {
		const url = await cluster.database();
		const outbox = await open(url);
		const sql = (text: string) => cluster.run(text, url.slice(url.lastIndexOf("/") + 1));
		await sql("INSERT INTO eventferry.owner (revision) VALUES (1)");
		// A check is a beat too, which sees an owner that has come.
		await outbox.check();
		await sql("DELETE FROM eventferry.owner WHERE revision = 1");
		await appended(outbox, event("ada", "visit"), { ...event("ada", "staff"), trusted: true });
		expect(await sql("SELECT behind FROM eventferry.lane")).toEqual([{ behind: false }]);
		await outbox.close();
	});

	it("shows one copy of each purchase while another process replaces waiting ones", async () => {
		const url = await cluster.database();
		const [here, there] = [await open(url), await open(url)];
		const people = Array.from({ length: 80 }, (_, index) => `person ${index}`);
		function purchase(person: string, trusted: boolean) {
			const order = { id: crypto.randomUUID(), type: "confirmation" as const, at: 0, data: { orderId: person } };
			const stored = { event: { ...order, person: { userId: person } }, trusted, receivedAt: 5 };
			return { ...event(person, JSON.stringify(stored), claimsOfEvent(stored, person)), trusted };
		}
		await appended(here, ...people.map((person) => purchase(person, false)));
		const shown: string[] = [];
		async function work(): Promise<number> {
			const { leases } = await there.take({ ...everything, lanes: 1, now: 0, leaseMs: 60_000 });
			for (const lease of leases) {
				shown.push(...lease.bodies);
				await there.settle({ lease, now: 0, ended: { count: lease.bodies.length, ending: { kind: "delivered" } } });
			}
			return leases.length;
		}
		const isFannedOut = async () => {
			for (const person of people) await here.append({ site: "site", events: [purchase(person, true)] });
			await fannedOut(here);
			return true;
		};
		let isDone = false;
		const replacing = isFannedOut().then((done) => {
			isDone = done;
		});
		while (!isDone) await work();
		await replacing;
		while ((await work()) > 0);
		const owners = shown.map((body) => JSON.parse(body).event.data.orderId as string);
		expect(owners.sort()).toEqual([...people].sort());
		const { destinations, discarded } = await here.stats();
		expect(destinations).toMatchObject([{ owed: 0, lanes: 0, delivered: 80 }]);
		const replaced = destinations[0]?.discarded.duplicate_order ?? 0;
		expect(replaced + (discarded.duplicate_order ?? 0)).toBe(80);
		expect(replaced).toBeGreaterThan(0);
	});

	it("keeps every text unchanged, even characters that PostgreSQL cannot store", async () => {
		const outbox = await open(await cluster.database());
		// Text in PostgreSQL cannot contain NUL: https://www.postgresql.org/docs/current/datatype-character.html.
		const odd = [
			"\0",
			"\ud800",
			"\udfff\ud83d",
			"\ue000",
			"\ue0000",
			"\\u0000",
			"é\u{1f600}",
			"'; DROP SCHEMA eventferry; --",
		];
		await appended(outbox, ...odd.map((text) => event(text, JSON.stringify({ text }))));
		const leases = await take(outbox);
		expect(leases.map(({ person, bodies }) => [person, JSON.parse(bodies[0] ?? "").text])).toEqual(
			odd.map((text) => [text, text]),
		);
		for (const lease of leases) {
			const ending = { kind: "dead", reason: lease.person, message: lease.person } as const;
			await outbox.settle({ lease, now: 0, known: lease.person, aliases: [lease.person], ended: { count: 1, ending } });
			const { person } = lease;
			expect(await outbox.linked({ destination: crisp, aliases: [person], now: 0 })).toEqual(
				new Map([[person, person]]),
			);
		}
		const { items } = await outbox.deadLetters({ limit: 100 });
		expect(items.map(({ reason, message }) => [reason, message])).toEqual(odd.map((text) => [text, text]));
		await appended(outbox, ...odd.map((text) => event(text, "1")));
		expect((await take(outbox)).map(({ known }) => known)).toEqual(odd);
	});

	it("sets aside a batch that cannot be fanned out, reports it, and goes on with the others", async () => {
		const url = await cluster.database();
		await (await open(url)).close();
		await cluster.run(
			"INSERT INTO eventferry.journal VALUES (0, 1, '{ torn', '')",
			url.slice(url.lastIndexOf("/") + 1),
		);
		const outbox = await open(url);
		const faults: string[] = [];
		outbox.onFault((message) => faults.push(message));
		await outbox.append({ site: "site", events: [event("ada", "1")] });
		await vi.waitFor(async () => expect(await outbox.stats()).toMatchObject({ journal: 0, stuck: 1, events: 1 }));
		expect(faults).toEqual(expect.arrayContaining([expect.stringMatching(/could not be fanned out/)]));
	});

	describe("fan-out in several processes", () => {
		const bad = "INSERT INTO eventferry.journal VALUES (0, 1, '{ torn', '')";
		const good = sealBatch({ site: "site", events: [event("ada", "1")] });
		let database: Database;
		beforeEach(async () => {
			database = await openDatabase(await cluster.database());
			cleanups.push(() => database.end());
		});
		const sharedOn = (used: Database) => ({
			database: used,
			destinations: createDestinations(database),
			counters: createCounters({ id: 0 }),
			notice: noticeFrom("this test"),
			now: Date.now,
			owner: { id: 0, knownTo: 0, isSurelySeen: () => false, isOlderNear: () => false },
		});
		const process = (used = database) => createFanOut(sharedOn(used));
		const stats = () => createStats(sharedOn(database), createRoom(sharedOn(database), {}))();

		it("sets aside only the failed batch", async () => {
			await database.run(bad);
			await insertBatches(database.run, [good]);
			const [thisProcess, otherProcess] = [process(), process()];
			await expect(thisProcess.fanOut(0, 2)).rejects.toThrow(/JSON/);
			expect(await thisProcess.fanOut(0, 1)).toMatchObject({ setAside: { reason: "it is not valid JSON" } });
			// The server notices a little later that the connection of the failed transaction is closed.
			await vi.waitFor(async () => expect(await otherProcess.fanOut(0, 1)).toMatchObject({ batches: 1 }));
			expect(await stats()).toMatchObject({ journal: 0, stuck: 1, events: 1 });
		});

		it("does not set aside a batch that another process has changed since it failed", async () => {
			await database.run(bad);
			async function run(text: string, values?: unknown[]) {
				await database.run("UPDATE eventferry.journal SET head = $1, keys = $2 WHERE id = 0", [
					good.head,
					Buffer.from(good.bytes).subarray(0, bodiesStart(good)),
				]);
				return database.run(text, values);
			}
			await process({ ...database, run }).fanOut(0, 1);
			expect(await stats()).toMatchObject({ journal: 1, stuck: 0 });
			await vi.waitFor(async () => expect(await process().fanOut(0, 1)).toMatchObject({ batches: 1 }));
		});

		it("sets aside no batch for a failure before one was read", async () => {
			await insertBatches(database.run, [good]);
			const faults: string[] = [];
			const { promise: busy, resolve: isBusy } = Promise.withResolvers<void>();
			const { promise: free, resolve: release } = Promise.withResolvers<void>();
			let failures = 0;
			async function transaction<Result>(work: (run: Run) => Promise<Result>): Promise<Result> {
				await busy;
				if (failures > 0 && failures < 3) {
					failures += 1;
					release();
					throw new TypeError("the line is cut");
				}
				failures += 1;
				return database.transaction(work);
			}
			const holding = database.transaction(async (run) => {
				await run(tryLockWriting);
				isBusy();
				await free;
			});
			const loop = createFanOutLoop(process({ ...database, transaction }), {
				now: Date.now,
				onDone: () => {},
				onFault: (message) => faults.push(message),
			});
			loop.start();
			await busy;
			await vi.waitFor(() => {
				loop.start();
				expect(faults).toHaveLength(2);
			});
			await holding;
			await loop.stop();
			expect(await stats()).toMatchObject({ stuck: 0 });
		});

		it("reads no bodies of discarded copies", async () => {
			const claims = [{ key: "id", reason: "duplicate", at: 0, since: 0, until: 10 }];
			const copy = sealBatch({ site: "site", events: [event("ada", "1", claims)] });
			await insertBatches(database.run, [copy, copy]);
			const texts: string[] = [];
			const transaction = <Result>(work: (run: Run) => Promise<Result>) =>
				database.transaction((run) =>
					work((text, values) => {
						texts.push(text);
						return run(text, values);
					}),
				);
			const { discarded } = await process({ ...database, transaction }).fanOut(0, 10);
			expect(discarded).toMatchObject([{ person: "ada", reason: "duplicate" }]);
			expect(texts.filter((text) => text.includes("bodies"))).toEqual([]);
		});

		it("reads few batches again where each second one replaces a purchase of the one before", async () => {
			function purchase(orderId: number, trusted: boolean) {
				const order = { id: crypto.randomUUID(), type: "confirmation" as const, at: 0, data: { orderId } };
				const stored = { event: { ...order, person: { userId: "ada" } }, trusted, receivedAt: 5 };
				const claims = claimsOfEvent(stored, "ada");
				return sealBatch({ site: "site", events: [{ ...event("ada", JSON.stringify(stored), claims), trusted }] });
			}
			const orders = Array.from({ length: 100 }, (_, order) => [purchase(order, false), purchase(order, true)]);
			await insertBatches(database.run, orders.flat());
			let read = 0;
			const transaction = <Result>(work: (run: Run) => Promise<Result>) =>
				database.transaction((run) =>
					work(async (text, values) => {
						const rows = await run(text, values);
						if (text.includes("SELECT id, head, keys FROM (")) read += rows.length;
						return rows;
					}),
				);
			const loop = createFanOutLoop(process({ ...database, transaction }), {
				now: Date.now,
				onDone: () => {},
				onFault: (message) => expect(message).toBe(""),
			});
			loop.start();
			await vi.waitFor(async () => expect(await stats()).toMatchObject({ journal: 0 }), { timeout: 60_000 });
			await loop.stop();
			expect((await stats()).destinations[0]).toMatchObject({ owed: 100, discarded: { duplicate_order: 100 } });
			expect(read).toBeLessThan(1_000);
		});
	});

	it("reads about as many rows of the journal with four processes as with one", async () => {
		async function rowsRead(processes: number): Promise<number> {
			const url = await cluster.database();
			const name = url.slice(url.lastIndexOf("/") + 1);
			const outboxes = await Promise.all(Array.from({ length: processes }, () => openPostgres(url)));
			const appending = Array.from({ length: 4 }, async (_, index) => {
				for (let batch = 0; batch < 25; batch += 1) {
					const events = [event(`person ${index}`, String(batch))];
					await outboxes[index % processes]?.append({ site: "site", events });
				}
			});
			await Promise.all(appending);
			const remaining = () => cluster.run("SELECT FROM eventferry.journal", name);
			await vi.waitFor(async () => expect(await remaining()).toEqual([]), { timeout: 10_000 });
			// A connection tells its numbers when it ends, at the latest.
			await Promise.all(outboxes.map((outbox) => outbox.close()));
			const written = `SELECT n_tup_del, seq_tup_read + idx_tup_fetch AS read FROM pg_stat_user_tables
				WHERE relname = 'journal'`;
			const [row] = await vi.waitFor(async () => {
				const rows = await cluster.run(written, name);
				expect(rows).toMatchObject([{ n_tup_del: "100" }]);
				return rows;
			});
			return Number(row?.read);
		}
		const alone = await rowsRead(1);
		const together = await rowsRead(4);
		expect(together).toBeLessThanOrEqual(alone * 1.5);
	});

	it("gives leases back while this process may be taken for dead, and reports no more lanes then", async () => {
		const url = await cluster.database();
		const outbox = await open(url);
		await appended(outbox, event("ada", "1"), event("bob", "1"));
		const database = await openDatabase(url);
		cleanups.push(() => database.end());
		const [owner] = await database.run("SELECT id FROM eventferry.owner");
		const unseen = createLeases({
			database,
			destinations: createDestinations(database),
			counters: createCounters({ id: 0 }),
			notice: noticeFrom("this test"),
			now: Date.now,
			owner: { id: Number(owner?.id), knownTo: Number(owner?.id), isSurelySeen: () => false, isOlderNear: () => false },
		});
		const taken = await unseen.take({ ...everything, lanes: 1, now: 0, leaseMs: 60_000 });
		expect(taken).toMatchObject({ leases: [], isMore: false });
		expect(await take(outbox)).toHaveLength(2);
	});

	it("accepts no more than its maximum size until there is room again", async () => {
		const outbox = await openPostgres(await cluster.database(), { maxBytes: 1_048_576 });
		cleanups.push(() => outbox.close());
		const large = () =>
			outbox.append({ site: "site", events: [{ ...event("ada", "x".repeat(200_000)), trusted: true }] });
		for (let index = 0; index < 4; index += 1) await large();
		await expect(large().then(large).then(large)).rejects.toThrow(/maxStoreBytes/);
		await fannedOut(outbox);
		const [lease] = await take(outbox);
		if (!lease) throw new Error("no lane");
		await outbox.settle({ lease, now: 0, ended: { count: lease.bodies.length, ending: { kind: "delivered" } } });
		await vi.waitFor(large, { timeout: 60_000, interval: 100 });
	});

	it("reads only about as many bytes of a person's events as one request can use", async () => {
		const outbox = await open(await cluster.database());
		const bodies = Array.from({ length: 40 }, (_, index) => JSON.stringify(`${index} ${"x".repeat(15_000)}`));
		for (const body of bodies) await outbox.append({ site: "site", events: [event("ada", body)] });
		await fannedOut(outbox);
		const [lease] = await take(outbox);
		expect(lease?.bodies).toEqual(bodies.slice(0, 5));
	});

	describe("of a person with 20,000 entries", () => {
		let outbox: Outbox;
		let name: string;
		beforeEach(async () => {
			const url = await cluster.database();
			name = url.slice(url.lastIndexOf("/") + 1);
			outbox = await open(url);
			await appended(outbox, event("ada", "1"), event("bob", "2"));
			await cluster.run(
				`INSERT INTO eventferry.bundle SELECT 1000 + n, 0, 'x' FROM generate_series(1, 20000) AS n;
				INSERT INTO eventferry.entry (lane, id, batch, stored_at, place, count, is_shared, deliveries)
				SELECT lane, 1000 + n, 1000 + n, 0, 0, 1, false, deliveries FROM eventferry.entry, generate_series(1, 20000) AS n
				WHERE lane = (SELECT id FROM eventferry.lane WHERE person = 'ada')`,
				name,
			);
		});
		const left = async (table: string) =>
			(await cluster.run(`SELECT count(*)::integer AS count FROM eventferry.${table}`, name))[0]?.count;

		it("finds deliveries by their place without reading the others", async () => {
			const query = { destinations: [crisp], people: ["ada", "bob"], limit: 2 };
			const found = await outbox.findOwed({ ...query, events: ["1500.0", "21000.0"] });
			expect(found.map(({ ahead, body }) => [ahead, body])).toEqual([
				[500, "x"],
				[20_000, "x"],
			]);
			expect((await outbox.findOwed(query)).map(({ person, ahead }) => [person, ahead])).toEqual([
				["ada", 0],
				["ada", 1],
				["bob", 0],
			]);
		});

		it("forgets them in steps, while others' events go on, and completes what an ended process has left", async () => {
			const blocker = new pg.Client({ connectionString: cluster.url(name) });
			await blocker.connect();
			await blocker.query("BEGIN; SELECT FROM eventferry.entry WHERE id = 1500 FOR UPDATE");
			expect(await outbox.forget({ site: "site", people: ["ada"] })).toMatchObject([{ owed: 20_001 }]);
			await appended(outbox, event("eve", "3"));
			expect((await take(outbox)).map(({ person }) => person)).toEqual(["bob", "eve"]);
			expect([await left("entry"), await left("bundle"), await left("forgotten")]).toEqual([3, 3, 1]);
			await blocker.end();
			await outbox.sweep({ now: 0, before: 0 });
			expect([await left("entry"), await left("bundle"), await left("forgotten")]).toEqual([2, 2, 0]);
		});
	});

	it("needs only the documented rights: to own its schema, or to use an existing one", async () => {
		const url = await cluster.database();
		const name = url.slice(url.lastIndexOf("/") + 1);
		const as = (user: string) => url.replace("postgres:secret@", `${user}:secret@`);
		const [ferry, runner] = [`${name}_ferry`, `${name}_runner`];
		await cluster.run(`CREATE ROLE ${ferry} LOGIN PASSWORD 'secret'; CREATE ROLE ${runner} LOGIN PASSWORD 'secret'`);
		await expect(openPostgres(as(ferry))).rejects.toThrow(/CREATE SCHEMA eventferry AUTHORIZATION/);
		await cluster.run(`CREATE SCHEMA eventferry AUTHORIZATION ${ferry}`, name);
		const owner = await open(as(ferry));
		await cluster.run(
			`GRANT USAGE ON SCHEMA eventferry TO ${runner};
			GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA eventferry TO ${runner};
			GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA eventferry TO ${runner}`,
			name,
		);
		for (const outbox of [owner, await open(as(runner))]) {
			await appended(outbox, event("ada", "1"), event("ada", "2"));
			const [lease] = await take(outbox);
			if (!lease) throw new Error("no lane");
			const ending = { kind: "dead", reason: "no" } as const;
			await outbox.settle({ lease, now: 0, known: "{}", ended: { count: 2, ending } });
			expect(await outbox.replay({})).toBe(2);
			expect(await outbox.forget({ site: "site", people: ["ada"] })).toMatchObject([{ owed: 2 }]);
			await outbox.sweep({ now: Date.now(), before: Date.now() });
			await outbox.check();
		}
	});

	it("lets a lane go on that an older process has left behind", async () => {
		const url = await cluster.database();
		const first = await open(url);
		await appended(first, event("ada", "1"));
		await cluster.run("UPDATE eventferry.lane SET behind = true", url.slice(url.lastIndexOf("/") + 1));
		expect(await take(first)).toEqual([]);
		const second = await open(url);
		await second.check();
		expect(await take(second)).toMatchObject([{ bodies: ["1"] }]);
	});

	it("refuses a database of a newer version", async () => {
		const url = await cluster.database();
		await (await open(url)).close();
		await cluster.run("UPDATE eventferry.schema SET version = 99", url.slice(url.lastIndexOf("/") + 1));
		await expect(openPostgres(url)).rejects.toThrow(/schema 99.*newer eventferry/);
	});

	it("is created once when several processes start at once", async () => {
		const url = await cluster.database();
		const outboxes = await Promise.all(Array.from({ length: 5 }, () => open(url)));
		await appended(outboxes[0] as Outbox, event("ada", "1"));
		expect(await take(outboxes[4] as Outbox)).toHaveLength(1);
	});

	it("rejects a wrong password and a missing database without showing the password", async () => {
		const wrong = cluster.url().replace(":secret@", ":s3cr3t@");
		await expect(openPostgres(wrong)).rejects.toThrow(/password authentication failed/);
		await expect(openPostgres(wrong)).rejects.not.toThrow(/s3cr3t/);
		await expect(openPostgres(cluster.url("nowhere"))).rejects.toThrow(StoreOpenError);
	});

	it("rejects calls after it was closed", async () => {
		const outbox = await open(await cluster.database());
		await outbox.close();
		await expect(outbox.append({ site: "site", events: [event("ada", "1")] })).rejects.toThrow(StoreUnavailableError);
	});

	it("stores what was appended just before it is closed", async () => {
		const url = await cluster.database();
		const outbox = await open(url);
		const appending = outbox.append({ site: "site", events: [event("ada", "1")] });
		await outbox.close();
		await appending;
		const { events, journal } = await (await open(url)).stats();
		expect(events + journal).toBe(1);
	});

	it("counts no event both in the journal and after fan-out", async () => {
		const outbox = await open(await cluster.database());
		let appended = 0;
		const appending = (async () => {
			while (appended < 200) {
				appended += 1;
				await outbox.append({ site: "site", events: [event("ada", String(appended))] });
			}
		})();
		let most = 0;
		while (appended < 200) {
			const { events, journal } = await outbox.stats();
			most = Math.max(most, events + journal - appended);
		}
		await appending;
		expect(most).toBe(0);
	});

	describe("shared by several processes", () => {
		let outboxes: Outbox[];
		let url: string;
		beforeEach(async () => {
			url = await cluster.database();
			outboxes = await Promise.all([open(url), open(url), open(url)]);
		});
		const [first, second, third] = [0, 1, 2].map((index) => () => outboxes[index] as Outbox);
		if (!first || !second || !third) throw new Error("three outboxes expected");

		it("leases no lane to two processes", async () => {
			await appended(first(), ...Array.from({ length: 100 }, (_, index) => event(`person ${index}`, "1")));
			const leases = (await Promise.all(outboxes.flatMap((outbox) => [take(outbox), take(outbox)]))).flat();
			expect(new Set(leases.map(({ lane }) => lane)).size).toBe(leases.length);
			expect(leases).toHaveLength(100);
		});

		it("leases one lane of a person at a time, and leaves none behind", async () => {
			const held = new Set<string>();
			let appending = 60;
			let delivered = 0;
			const kinds = [{}, { trusted: true }, { trusted: true, reserved: true }];
			async function append(outbox: Outbox, n: number): Promise<void> {
				const events = Array.from({ length: 5 }, (_, index) => ({
					...event(`person ${(n * 7 + index) % 4}`, String(n)),
					...kinds[(n + index) % 3],
				}));
				await outbox.append({ site: "site", events });
				appending -= 1;
			}
			async function work(outbox: Outbox): Promise<void> {
				for (let n = 0; appending > 0 || delivered < 300; n += 1) {
					for (const lease of (await outbox.take({ ...everything, lanes: 2, now: 0, leaseMs: 60_000 })).leases) {
						expect(held).not.toContain(lease.person);
						held.add(lease.person);
						if (n % 3 === 0) await outbox.stats();
						held.delete(lease.person);
						const { length: count } = lease.bodies;
						delivered += count;
						await outbox.settle({ lease, now: 0, ended: { count, ending: { kind: "delivered" } } });
					}
				}
			}
			const numbers = Array.from({ length: 20 }, (_, n) => n);
			const appends = outboxes.map(async (outbox, index) => {
				for (const n of numbers) await append(outbox, n * 3 + index);
			});
			await Promise.all([...appends, ...outboxes.map(work)]);
			expect((await first().stats()).destinations[0]).toMatchObject({ owed: 0, lanes: 0, delivered: 300 });
		});

		it("leaves nothing of a bundle that several destinations have been delivered at once", async () => {
			const names = ["crisp", "helpcrunch", "vibetrace"];
			const events = Array.from({ length: 200 }, (_, index) => ({
				...event(`person ${index % 50}`, String(index)),
				destinations: names,
			}));
			await appended(first(), ...events);
			const delivered = { count: 1, ending: { kind: "delivered" } } as const;
			async function work(outbox: Outbox, index: number): Promise<number> {
				const destination = { site: "site", name: names[index] ?? "" };
				for (let sum = 0; ; ) {
					const { leases } = await outbox.take({ ...everything, destination, deliveries: 1, now: 0, leaseMs: 60_000 });
					if (leases.length === 0) return sum;
					await Promise.all(leases.map((lease) => outbox.settle({ lease, now: 0, ended: delivered })));
					sum += leases.length;
				}
			}
			expect(await Promise.all(outboxes.map(work))).toEqual([200, 200, 200]);
			const left = "SELECT (SELECT count(*) FROM eventferry.bundle) + (SELECT count(*) FROM eventferry.owing) AS left";
			expect(await cluster.run(left, url.slice(url.lastIndexOf("/") + 1))).toEqual([{ left: "0" }]);
		});

		it("settles what several destinations owe without a deadlock: a shared bundle is locked before what is counted", async () => {
			const owed = { ...event("ada", "1"), destinations: ["crisp", "helpcrunch"] };
			await appended(first(), owed);
			const [lease] = await take(first());
			if (!lease) throw new Error("no lane");
			const other = new pg.Client({ connectionString: url });
			await other.connect();
			try {
				await other.query("BEGIN; SET LOCAL lock_timeout = '5s'; SELECT FROM eventferry.owing FOR UPDATE");
				const delivered = { count: 1, ending: { kind: "delivered" } } as const;
				const settling = first().settle({ lease, now: 0, known: "{}", ended: delivered });
				const blocked = async () => (await other.query("SELECT FROM pg_locks WHERE NOT granted")).rowCount;
				await vi.waitFor(async () => expect(await blocked()).toBe(1), { timeout: 30_000, interval: 10 });
				await other.query("SELECT FROM eventferry.counter FOR UPDATE NOWAIT");
				await other.query("UPDATE eventferry.owing SET lanes = lanes + 1; COMMIT");
				expect(await settling).toBe("gone");
				expect((await other.query("SELECT lanes FROM eventferry.owing")).rows).toEqual([{ lanes: 2 }]);
			} finally {
				await other.end();
			}
		});

		it("keeps a person's events in the order of acknowledgement, whichever process accepted them", async () => {
			const bodies = Array.from({ length: 60 }, (_, index) => String(index));
			for (const [index, body] of bodies.entries()) {
				await (outboxes[index % 3] as Outbox).append({ site: "site", events: [event("ada", body)] });
			}
			await fannedOut(first());
			expect((await take(second()))[0]?.bodies).toEqual(bodies);
		});

		it("lets an event through once, whichever process receives its copies", async () => {
			const claims = [{ key: "same", reason: "duplicate", at: 0, since: 0, until: 10 }];
			const copies = Array.from({ length: 60 }, (_, index) =>
				(outboxes[index % 3] as Outbox).append({ site: "site", events: [event("ada", String(index), claims)] }),
			);
			await Promise.all(copies);
			await fannedOut(first());
			expect((await take(third()))[0]?.bodies).toHaveLength(1);
			expect((await second().stats()).discarded).toEqual({ duplicate: 59 });
		});

		it("grants no more requests than the budget has", async () => {
			const limits = { cap: 1_000, reserve: 0, bucket: 100, windowMs: 1_000_000, windowOffsetMs: 0 };
			const takes = Array.from({ length: 90 }, (_, index) =>
				(outboxes[index % 3] as Outbox).advance({ destination: crisp, limits, want: 3, now: 0 }),
			);
			const granted = (await Promise.all(takes)).reduce((sum, each) => sum + each.granted, 0);
			expect(granted).toBe(100);
			expect((await first().budgetUse({ since: 0 })).map(({ used }) => used)).toEqual([100]);
		});

		it("notifies all processes of lanes that one has fanned out", async () => {
			const heard = Promise.all(
				[second(), third()].map((outbox) => new Promise<void>((done) => outbox.onReady(() => done()))),
			);
			await first().append({ site: "site", events: [event("ada", "1")] });
			await heard;
		});

		it("frees the leases of a process at once when it closes", async () => {
			await appended(first(), event("ada", "1"));
			const [lease] = await take(first());
			if (!lease) throw new Error("no lane");
			expect(await take(second())).toEqual([]);
			await first().close();
			const [next] = await take(second());
			expect(next).toMatchObject({ lane: lease.lane, bodies: ["1"] });
			expect(next?.number).toBeGreaterThan(lease.number);
		});

		it("does not settle a lease that was taken over, nor a lease of another process", async () => {
			await appended(first(), event("ada", "1"));
			const [lease] = await take(first());
			if (!lease) throw new Error("no lane");
			const delivered = { count: 1, ending: { kind: "delivered" } } as const;
			expect(await second().settle({ lease, now: 0, ended: delivered })).toBe("lost");
			// Simulates that the first process was not seen for too long.
			const name = url.slice(url.lastIndexOf("/") + 1);
			await cluster.run("DELETE FROM eventferry.owner WHERE id IN (SELECT owner FROM eventferry.lane)", name);
			expect(first().isHeld(lease)).toBe(true);
			const takenOver = async (outbox: Outbox) => (await take(outbox))[0] ?? Promise.reject(new Error("none yet"));
			const next = await vi.waitFor(() => takenOver(second()), { timeout: 60_000 });
			expect(await first().settle({ lease, now: 0, ended: delivered })).toBe("lost");
			expect(await second().settle({ lease: next, now: 0, ended: delivered })).toBe("gone");
			// A process taken for dead becomes a new owner: it starts no request for its old leases, and works on.
			await vi.waitFor(() => expect(first().isHeld(lease)).toBe(false), { timeout: 60_000 });
			expect(second().isHeld(next)).toBe(true);
			await appended(second(), event("bob", "a"));
			expect(await vi.waitFor(() => takenOver(first()), { timeout: 60_000 })).toMatchObject({ person: "bob" });
		});
	});
});
