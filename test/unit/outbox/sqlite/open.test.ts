import { spawn } from "node:child_process";
import { once } from "node:events";
import {
	chmodSync,
	copyFileSync,
	existsSync,
	mkdirSync,
	readdirSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type Outbox, StoreOpenError, StoreUnavailableError } from "../../../../server/outbox/outbox.ts";
import { busyMs, isBusy } from "../../../../server/outbox/sqlite/database.ts";
import { openSqlite } from "../../../../server/outbox/sqlite/open.ts";
import { temporaryFolder } from "../../../support/served.ts";
import { storeTornBatch } from "../../../support/torn-batch.ts";
import { outboxSuite } from "../outbox-suite.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
	for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function freshFile(): string {
	const folder = temporaryFolder();
	cleanups.push(folder.remove);
	return `${folder.path}/store.db`;
}

async function open(file: string, options?: { maxBytes: number }): Promise<Outbox> {
	const outbox = await openSqlite(file, options);
	cleanups.push(() => outbox.close());
	return outbox;
}

const asVersion1 = `
	CREATE TABLE copy AS SELECT * FROM lane;
	DROP TABLE lane;
	CREATE TABLE lane (
		id INTEGER PRIMARY KEY, destination INTEGER NOT NULL, person TEXT NOT NULL, rank INTEGER NOT NULL,
		reserved INTEGER NOT NULL, turn INTEGER NOT NULL, due_at INTEGER NOT NULL DEFAULT 0,
		attempts INTEGER NOT NULL DEFAULT 0, unreadable INTEGER NOT NULL DEFAULT 0, failing_since INTEGER,
		requests INTEGER NOT NULL DEFAULT 0, shown INTEGER, owed_since INTEGER NOT NULL, UNIQUE (person, destination)
	) STRICT;
	INSERT INTO lane SELECT id, destination, person, rank, reserved, turn, due_at, attempts, unreadable, failing_since,
		requests, shown, owed_since FROM copy;
	DROP TABLE copy;
	CREATE INDEX lane_rank ON lane (destination, rank, turn) WHERE due_at = 0;
	CREATE INDEX lane_turn ON lane (destination, turn) WHERE due_at = 0;
	CREATE INDEX lane_reserved_rank ON lane (destination, rank, turn) WHERE due_at = 0 AND reserved = 1;
	CREATE INDEX lane_reserved_turn ON lane (destination, turn) WHERE due_at = 0 AND reserved = 1;
	CREATE INDEX lane_due ON lane (destination, due_at) WHERE due_at > 0;
	CREATE INDEX lane_oldest ON lane (destination, owed_since);
	DROP INDEX dead_letter_untrusted;
	ALTER TABLE dead_letter DROP COLUMN trusted;
	ALTER TABLE claim DROP COLUMN trusted;
	ALTER TABLE journal DROP COLUMN stored_at;
	DROP INDEX claim_end_untrusted;
	ALTER TABLE claim_end DROP COLUMN trusted;
	DELETE FROM counter WHERE name = 'untrustedClaims';
	DELETE FROM destination WHERE site = '';
	PRAGMA user_version = 1;
`;

describe("the SQLite outbox", () => {
	outboxSuite(async () => {
		const file = freshFile();
		let outbox = await open(file);
		return {
			outbox,
			asVersion1,
			async reopen(sql = "", options) {
				await outbox.close();
				const db = new DatabaseSync(file);
				db.exec(sql);
				db.close();
				outbox = await open(file, options);
				return outbox;
			},
		};
	});

	const event = {
		person: "ada",
		body: "1",
		destinations: ["crisp"],
		claims: [],
		rank: 0,
		reserved: false,
		trusted: false,
	};
	const batch = { site: "site", events: [event] };
	const destination = { site: "site", name: "crisp" };
	const everything = {
		destination,
		lanes: 1,
		deliveries: 1,
		served: 0,
		reservedOnly: false,
		holding: [],
		now: 0,
		leaseMs: 60_000,
	};

	it("accepts nothing beyond its maximum size, keeps its events, and accepts more once they are delivered", async () => {
		const outbox = await openSqlite(freshFile(), { maxBytes: 1_048_576 });
		cleanups.push(() => outbox.close());
		const large = (n: number) => ({
			...event,
			trusted: true,
			person: `p${n}`,
			body: JSON.stringify({ n, text: "x".repeat(16_000) }),
		});
		let taken = 0;
		const fill = async () => {
			for (;;) {
				await outbox.append({ site: "site", events: [large(taken)] });
				taken += 1;
			}
		};
		await expect(fill()).rejects.toThrow(StoreUnavailableError);
		await expect(outbox.check()).rejects.toThrow(/maxStoreBytes/);
		expect(taken).toBeGreaterThan(30);
		expect(taken).toBeLessThan(70);
		await vi.waitFor(async () => expect((await outbox.stats()).journal).toBe(0), { timeout: 60_000 });
		const { leases } = await outbox.take({ ...everything, lanes: 100, now: Date.now() });
		expect(leases.map(({ bodies }) => JSON.parse(bodies[0] ?? "").n)).toEqual([...Array(taken).keys()]);
		for (const lease of leases) {
			await outbox.settle({ lease, now: Date.now(), ended: { count: 1, ending: { kind: "delivered" } } });
		}
		await outbox.append({ site: "site", events: [large(taken)] });
		await outbox.check();
	});

	it("frees the leases of a process that ended", async () => {
		const file = freshFile();
		const first = await open(file);
		const waiting = new Promise<void>((ready) => first.onReady(ready));
		await first.append(batch);
		await waiting;
		expect((await first.take(everything)).leases).toHaveLength(1);
		await first.close();
		expect((await (await open(file)).take(everything)).leases).toHaveLength(1);
	});

	it("bounds a lane's waiting time that a wrong clock wrote", async () => {
		const file = freshFile();
		const first = await open(file);
		const waiting = new Promise<void>((ready) => first.onReady(ready));
		await first.append(batch);
		await waiting;
		const [lease] = (await first.take(everything)).leases;
		if (!lease) throw new Error("no lane");
		const tomorrow = Date.now() + 86_400_000;
		await first.settle({ lease, now: tomorrow, failed: { dueAt: tomorrow } });
		await first.close();
		const { nextAt = 0 } = await (await open(file)).take({ ...everything, now: Date.now() });
		expect(nextAt - Date.now()).toBeLessThanOrEqual(900_000);
	});

	it("a failing call does not affect other calls in the same commit", async () => {
		const outbox = await open(freshFile());
		const bad = { site: "site", events: [{ ...event, rank: 1n as unknown as number }] };
		const results = await Promise.allSettled([outbox.append(batch), outbox.append(bad), outbox.append(batch)]);
		expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
	});

	it("sets aside a batch that cannot be fanned out, reports it, and goes on with the others", async () => {
		const file = freshFile();
		await storeTornBatch(file);
		const outbox = await open(file);
		const faults: string[] = [];
		outbox.onFault((message) => faults.push(message));
		await outbox.append(batch);
		await vi.waitFor(async () => expect(await outbox.stats()).toMatchObject({ journal: 0, stuck: 1, events: 1 }), {
			timeout: 60_000,
		});
		expect(faults).toEqual([expect.stringMatching(/could not be fanned out/)]);
	});

	describe.skipIf(process.platform === "win32")("is the owner's alone", () => {
		/** Returns the modes of a store's files, by the end of their name. */
		const modes = (file: string) =>
			Object.fromEntries(
				readdirSync(dirname(file)).map((name) => [
					name.replace("store.db", ""),
					(statSync(`${dirname(file)}/${name}`).mode & 0o777).toString(8),
				]),
			);

		it.each(["000", "022", "777"])("whatever the umask, as %s", async (umask) => {
			const file = freshFile();
			const before = process.umask(umask);
			const outbox = await open(file).finally(() => process.umask(before));
			await outbox.append(batch);
			expect(modes(file)).toEqual({ "": "600", "-wal": "600", "-shm": "600", "-lock": "600" });
		});

		it("when it was not before", async () => {
			const file = freshFile();
			const outbox = await open(file);
			await outbox.append(batch);
			const copy = freshFile();
			for (const end of ["", "-wal"]) {
				copyFileSync(file + end, copy + end);
				chmodSync(copy + end, 0o666);
			}
			const reopened = await open(copy);
			expect(modes(copy)).toEqual({ "": "600", "-wal": "600", "-shm": "600", "-lock": "600" });
			await vi.waitFor(async () => expect(await reopened.stats()).toMatchObject({ events: 1 }));
		});

		it("but a file that is no database keeps its mode", async () => {
			const file = `${dirname(freshFile())}/notes.txt`;
			writeFileSync(file, "not a database, but long enough to be looked at as one".repeat(100), { mode: 0o644 });
			await expect(openSqlite(file)).rejects.toThrow(StoreOpenError);
			expect((statSync(file).mode & 0o777).toString(8)).toBe("644");
		});
	});

	it("is kept in memory, and in no file, as `:memory:`", async () => {
		const first = await open(":memory:");
		await first.append(batch);
		expect(existsSync(":memory:")).toBe(false);
		expect(await (await open(":memory:")).stats()).toMatchObject({ events: 0, journal: 0 });
		await vi.waitFor(async () => expect(await first.stats()).toMatchObject({ events: 1, journal: 0 }));
	});

	it("rejects a file that another process has open, and says so", async () => {
		const file = freshFile();
		await open(file);
		await expect(openSqlite(file)).rejects.toThrow(/another process uses .*store\.db/);
	});

	it("gives the logs of a store behind a link to their owner alone", async () => {
		const file = freshFile();
		writeFileSync(file, "", { mode: 0o644 });
		const link = `${dirname(freshFile())}/store.db`;
		symlinkSync(file, link);
		await open(link);
		for (const each of [file, `${file}-wal`, `${file}-shm`, `${file}-lock`])
			expect(statSync(each).mode & 0o077, each).toBe(0);
	});

	it.each(["store", "folder"])("rejects a file that another process has open by a link to its %s", async (linked) => {
		const file = freshFile();
		await open(file);
		const other = dirname(freshFile());
		if (linked === "store") symlinkSync(file, `${other}/store.db`);
		else symlinkSync(dirname(file), `${other}/linked`);
		const link = linked === "store" ? `${other}/store.db` : `${other}/linked/store.db`;
		await expect(open(link)).rejects.toThrow(/another process uses/);
	});

	it("takes every kind of a locked file for one", () => {
		// BUSY, BUSY_RECOVERY and BUSY_SNAPSHOT; not LOCKED or CANTOPEN.
		const busy = [5, 261, 517, 6, 14].map((errcode) => isBusy(Object.assign(new Error(), { errcode })));
		expect(busy).toEqual([true, true, true, false, false]);
	});

	it("rejects a file that a version has open which lets nobody read", async () => {
		const file = freshFile();
		const older = new DatabaseSync(file);
		cleanups.push(() => older.close());
		older.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
		await expect(openSqlite(file)).rejects.toThrow(/another process uses .*store\.db/);
	});

	it("keeps out a version that would let nobody read", async () => {
		const file = freshFile();
		await open(file);
		const older = new DatabaseSync(file);
		cleanups.push(() => older.close());
		older.exec("PRAGMA locking_mode = EXCLUSIVE");
		expect(() => older.exec("BEGIN IMMEDIATE")).toThrow(/locked/);
	});

	it("is used by one process alone where processes can share no memory", async () => {
		const file = freshFile();
		await (await openSqlite(file)).close();
		mkdirSync(`${file}-shm`);
		const outbox = await open(file);
		await outbox.append(batch);
		await vi.waitFor(async () => expect(await outbox.stats()).toMatchObject({ events: 1, journal: 0 }));
		await expect(openSqlite(file)).rejects.toThrow(/another process uses .*store\.db/);
		const other = new DatabaseSync(file, { readOnly: true });
		expect(() => other.exec("SELECT 1 FROM sqlite_schema")).toThrow(/locked/);
		other.close();
	});

	it("lets other processes read a file while it is used, and waits for none of them", async () => {
		const file = freshFile();
		const outbox = await open(file);
		await outbox.append(batch);
		await vi.waitFor(async () => expect(await outbox.stats()).toMatchObject({ events: 1, journal: 0 }));
		const program = `const { DatabaseSync } = require("node:sqlite");
			const db = new DatabaseSync(process.argv[1], { readOnly: true });
			db.exec("BEGIN");
			console.log(db.prepare("SELECT sum(lanes) AS lanes FROM owing").get().lanes);
			process.stdin.on("end", () => db.close()).resume();`;
		const reader = spawn(process.execPath, ["-e", program, file], { stdio: ["pipe", "pipe", "inherit"] });
		cleanups.push(() => void reader.kill());
		const [seen] = await once(reader.stdout, "data");
		expect(String(seen)).toBe("1\n");
		await outbox.append(batch);
		const before = performance.now();
		await outbox.sweep({ now: 0, before: 0 });
		await outbox.check();
		expect(performance.now() - before).toBeLessThan(busyMs);
		reader.stdin.end();
		expect(await once(reader, "exit")).toEqual([0, null]);
	});

	it("refuses a file of a newer version", async () => {
		const file = freshFile();
		const db = new DatabaseSync(file);
		db.exec("PRAGMA user_version = 99");
		db.close();
		await expect(openSqlite(file)).rejects.toThrow(/schema 99.*newer eventferry/);
	});

	it("rejects a missing folder and a file that is not a database", async () => {
		await expect(openSqlite("/nowhere/at/all/store.db")).rejects.toThrow(/folder of the store does not exist/);
		await expect(openSqlite(import.meta.filename)).rejects.toThrow(StoreOpenError);
	});

	it("rejects calls after it was closed", async () => {
		const outbox = await open(freshFile());
		await outbox.close();
		await expect(outbox.append(batch)).rejects.toThrow(StoreUnavailableError);
	});

	it("stores what was appended just before it is closed", async () => {
		const file = freshFile();
		const outbox = await open(file);
		const appended = outbox.append(batch);
		await outbox.close();
		await appended;
		const { events, journal } = await (await open(file)).stats();
		expect(events + journal).toBe(1);
	});
});
