import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { migrateStore } from "../../../server/outbox/migrate/migrate.ts";
import type { Claim, Lease, NewEvent, Outbox, OutboxStats } from "../../../server/outbox/outbox.ts";
import { openPostgres } from "../../../server/outbox/postgres/open.ts";
import { openSqlite } from "../../../server/outbox/sqlite/open.ts";
import { runHere } from "../../support/command.ts";
import { type Cluster, startPostgres } from "../../support/postgres.ts";
import { temporaryFolder } from "../../support/served.ts";

const people = Array.from({ length: 30 }, (_, index) => `person ${index}`);
const crisp = { site: "site", name: "crisp" };
const helpcrunch = { site: "site", name: "helpcrunch" };
const limits = { cap: 1_000, reserve: 0, bucket: 100, windowMs: 1e9, windowOffsetMs: 0 };
const once = (key: string): Claim => ({ key, reason: "duplicate", at: 0, since: 0, until: 1e12 });
const event = (person: string, body: string, more: Partial<NewEvent> = {}): NewEvent => ({
	person,
	body,
	destinations: ["crisp", "helpcrunch"],
	claims: [once(`${person} ${body}`)],
	rank: 1,
	reserved: false,
	trusted: false,
	...more,
});
const every = { lanes: 1_000, deliveries: 1_000, served: 0, reservedOnly: false, holding: [], leaseMs: 1_000 };
const fannedOut = (outbox: Outbox) => vi.waitFor(async () => expect((await outbox.stats()).journal).toBe(0));

/** Fills a store with every kind of content. */
async function fill(outbox: Outbox): Promise<void> {
	for (const person of people) {
		const events = ["1", "2", "3"].map((body) => event(person, body));
		await outbox.append({
			site: "site",
			events: [...events, event("ada", person, { destinations: ["crisp"], rank: 0 })],
		});
	}
	await fannedOut(outbox);
	const { leases } = await outbox.take({ ...every, destination: crisp, now: 0 });
	for (const [index, lease] of leases.entries()) {
		const kind = index % 5;
		const known = `{"is":${index}}`;
		if (kind === 0) await outbox.settle({ lease, now: 5, failed: { dueAt: 1_000 + index } });
		if (kind === 1)
			await outbox.settle({ lease, now: 5, known, ended: { count: 1, ending: { kind: "delivered" } }, sent: true });
		const dead = { kind: "dead", reason: "no", message: "a\0b", status: 400 } as const;
		if (kind === 2)
			await outbox.settle({ lease, now: 5, known, aliases: [`alias ${index}`], ended: { count: 2, ending: dead } });
		if (kind === 3) await outbox.settle({ lease, now: 5, sent: true, narrowTo: 1 });
	}
	await outbox.advance({ destination: crisp, limits, want: 7, now: 0 });
	await outbox.hold({ destination: helpcrunch, from: undefined, to: "waiting" });
	await outbox.append({
		site: "other",
		events: [event("eve", "x", { destinations: [] })],
		skipped: [{ destination: "crisp", reason: "why", count: 3 }],
	});
	await fannedOut(outbox);
}

/** Delivers everything owed. Resolves to the contents of all leases, in order. */
async function drain(outbox: Outbox): Promise<unknown[]> {
	const shown: unknown[] = [];
	for (const [destination, hold] of [
		[crisp, undefined],
		[helpcrunch, "waiting"],
	] as const) {
		for (;;) {
			const { leases } = await outbox.take({ ...every, destination, hold, deliveries: 2, now: 10_000 });
			if (leases.length === 0) break;
			for (const lease of leases) {
				const { lane: _, number: __, ...rest }: Lease = lease;
				shown.push(rest);
				const ended = { count: lease.bodies.length, ending: { kind: "delivered" } } as const;
				expect(await outbox.settle({ lease, now: 10_000, ended })).not.toBe("lost");
			}
		}
	}
	return shown;
}
const withoutBytes = ({ bytes: _, ...stats }: OutboxStats) => stats;

let cluster: Cluster;
beforeAll(async () => {
	cluster = await startPostgres();
});
afterAll(() => cluster.stop());

describe("a store moved from a file into PostgreSQL", () => {
	let folder: ReturnType<typeof temporaryFolder>;
	let file: string;
	let copy: string;
	let url: string;
	const open: Outbox[] = [];
	beforeEach(async () => {
		folder = temporaryFolder();
		file = `${folder.path}/store.db`;
		copy = `${folder.path}/copy.db`;
		url = await cluster.database();
		const outbox = await openSqlite(file);
		await fill(outbox);
		// Probably some of these batches are not fanned out yet when the store is closed.
		const late = people.map((person) => outbox.append({ site: "site", events: [event(person, "late")] }));
		await Promise.all([...late, outbox.close()]);
		copyFileSync(file, copy);
	});
	afterEach(async () => {
		for (const outbox of open.splice(0)) await outbox.close();
		folder.remove();
	});
	async function both(): Promise<[Outbox, Outbox]> {
		const stores: [Outbox, Outbox] = [await openSqlite(copy), await openPostgres(url)];
		open.push(...stores);
		for (const outbox of stores) await fannedOut(outbox);
		return stores;
	}

	it("has the same contents, without loss or duplicates, however often the move was interrupted", async () => {
		let interruptions = 0;
		let stepsAllowed = 1;
		for (;;) {
			let steps = stepsAllowed;
			const moving = migrateStore(file, url, () => {
				if (steps-- === 0) throw new Error("interrupted");
			});
			const isDone = await moving.then(
				() => true,
				() => false,
			);
			if (isDone) break;
			interruptions += 1;
			stepsAllowed += 1;
			await expect(openPostgres(url)).rejects.toThrow(/run eventferry migrate/);
		}
		expect(interruptions).toBeGreaterThan(2);
		const [before, after] = await both();
		expect(withoutBytes(await after.stats())).toEqual(withoutBytes(await before.stats()));
		expect((await after.deadLetters({ limit: 500 })).items).toEqual((await before.deadLetters({ limit: 500 })).items);
		expect(await after.budgetUse({ since: 0 })).toEqual(await before.budgetUse({ since: 0 }));
		const advance = { destination: crisp, limits, want: 1_000, now: 1 };
		expect(await after.advance(advance)).toEqual(await before.advance(advance));
		expect(await after.linked({ destination: crisp, alias: "alias 2", now: 0 })).toBe(
			await before.linked({ destination: crisp, alias: "alias 2", now: 0 }),
		);
		for (const outbox of [before, after]) {
			await outbox.append({ site: "site", events: people.map((person) => event(person, "1")) });
			await outbox.append({ site: "site", events: [event("ada", "new")] });
			await fannedOut(outbox);
			expect(await outbox.replay({})).toBeGreaterThan(0);
		}
		expect((await after.stats()).discarded).toEqual((await before.stats()).discarded);
		expect(await drain(after)).toEqual(await drain(before));
	});

	it("can no longer be opened as a file, and moving it again changes nothing", async () => {
		await migrateStore(file, url);
		await expect(openSqlite(file)).rejects.toThrow(/was moved with eventferry migrate/);
		expect(await migrateStore(file, url)).toEqual({ rows: 0 });
		await expect(migrateStore(file, await cluster.database())).rejects.toThrow(/moved before/);
		await expect(migrateStore(copy, url)).rejects.toThrow(/empty database/);
	});

	it("is not moved while a proxy uses it, nor into a database that contains another store", async () => {
		const [before, after] = await both();
		await expect(migrateStore(copy, await cluster.database())).rejects.toThrow(/a proxy uses .*: stop it first/);
		await expect(migrateStore(file, url)).rejects.toThrow(/in use/);
		await Promise.all([before.close(), after.close()]);
		const used = await openPostgres(url);
		await used.append({ site: "site", events: [event("ada", "1")] });
		await used.close();
		await expect(migrateStore(file, url)).rejects.toThrow(/in use/);
		await expect(migrateStore(`${folder.path}/none.db`, url)).rejects.toThrow(/no store/);
	});

	it("is moved by `eventferry migrate`, which shows no password and explains errors", () => {
		const migrate = (...args: string[]) =>
			spawnSync(process.execPath, ["server/cli.ts", "migrate", ...args], { encoding: "utf8", env: {} });
		const moved = migrate("--from", `sqlite:${file}`, "--to", url);
		expect([moved.status, moved.stdout]).toEqual([
			0,
			expect.stringMatching(/rows moved; .*postgres:\/\/postgres:\*\*\*@/),
		]);
		expect(moved.stdout + moved.stderr).not.toContain("secret");
		const again = migrate("--from", `sqlite:${file}`, "--to", url, "--json");
		expect(JSON.parse(again.stdout)).toMatchObject({ ok: true, rows: 0 });
		for (const args of [
			[],
			["--from", url, "--to", `sqlite:${file}`],
			["--from", `sqlite:${file}`, "--to", "mysql://db"],
		]) {
			expect(migrate(...args).status).toBe(2);
		}
		const refused = migrate("--from", `sqlite:${copy}`, "--to", url);
		expect([refused.status, refused.stderr]).toEqual([1, expect.stringMatching(/empty database/)]);
	});
});

it("`eventferry migrate --schema` brings a store of either kind up to date", async () => {
	const migrate = (...args: string[]) => runHere(["migrate", "--schema", ...args]);
	const url = await cluster.database();
	for (let run = 0; run < 2; run += 1) {
		const done = await migrate("--to", url);
		expect([done.code, done.stdout]).toEqual([
			0,
			expect.stringMatching(/^postgres:\/\/postgres:\*\*\*@.* is up to date\n$/),
		]);
		expect(JSON.parse((await migrate("--to", url, "--json")).stdout)).toMatchObject({ ok: true, older: 0 });
	}
	const folder = temporaryFolder();
	const file = `${folder.path}/store.db`;
	await (await openSqlite(file)).close();
	expect((await migrate("--to", `sqlite:${file}`)).code).toBe(0);
	expect(await migrate("--to", `sqlite:${folder.path}/none.db`)).toMatchObject({
		code: 1,
		stderr: expect.stringMatching(/no store/),
	});
	folder.remove();
	for (const args of [[], ["--to", "mysql://db"], ["--from", `sqlite:${file}`, "--to", url]]) {
		expect((await migrate(...args)).code).toBe(2);
	}
	await cluster.run("UPDATE eventferry.schema SET version = 99", url.slice(url.lastIndexOf("/") + 1));
	expect(await migrate("--to", url)).toMatchObject({
		code: 1,
		stderr: expect.stringMatching(/use a newer eventferry/),
	});
});
