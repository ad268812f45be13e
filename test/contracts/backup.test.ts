import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CommandLine, commandLine } from "../support/command.ts";
import { serverKey } from "../support/proxy.ts";
import { postEvents } from "../support/served.ts";

let commands: CommandLine;
let store: string;
let copy: string;
beforeEach(async () => {
	commands = await commandLine();
	store = join(commands.folder, "store.db");
	copy = join(commands.folder, "copy.db");
});
afterEach(() => commands.stop());

const backup = (file = copy, more: Record<string, string> = {}, ...args: string[]) =>
	commands.run(["backup", file, ...args], { EVENTFERRY_STORE: `sqlite:${store}`, ...more });
const event = (name: string) => ({
	id: crypto.randomUUID(),
	type: "track",
	name,
	at: Date.now(),
	person: { email: "ada@example.com" },
});
const delivered = () =>
	commands.sandbox
		.requests("crisp")
		.filter(({ path, status }) => path.includes("/people/events/") && status === 200)
		.map(({ body }) => (body as { text: string }).text);
const parts = () => readdirSync(commands.folder).filter((name) => name.startsWith("copy.db"));

test("eventferry backup copies the store while the proxy runs; a proxy on the copy delivers what waits", async () => {
	commands.sandbox.addPerson("crisp", { email: "ada@example.com" });
	const heal = commands.sandbox.fault("crisp", { status: 503, retryAfter: 3_600 });
	const first = await commands.serve();
	await postEvents(first.url, [event("one"), event("two")], serverKey);
	await commands.sandbox.until((requests) => requests.length > 0);
	const { code, stdout, stderr } = await backup();
	expect([code, stderr]).toEqual([0, ""]);
	expect(stdout).toMatch(/copy\.db has sqlite:\S+store\.db as it is now: \d[\d.]*[kM]\n$/);
	expect(parts()).toEqual(["copy.db"]);
	expect((statSync(copy).mode & 0o777).toString(8)).toBe("600");
	// The proxy goes on: the later event is on its disk alone.
	expect((await postEvents(first.url, [event("later")], serverKey)).status).toBe(202);
	first.child.kill("SIGKILL");
	await first.exit;
	heal();
	await commands.serve(["--port", "0", "--store", `sqlite:${copy}`]);
	await expect.poll(delivered, { timeout: 60_000, interval: 20 }).toEqual(["one", "two"]);
});

test("a backup beside a proxy that takes events in is whole, as of one moment", async () => {
	commands.sandbox.fault("crisp", { status: 503, retryAfter: 3_600 });
	const { url } = await commands.serve();
	let isOver = false;
	let sent = 0;
	const load = async () => {
		for (; !isOver; sent += 50) {
			await postEvents(
				url,
				Array.from({ length: 50 }, (_, index) => event(`event ${sent + index}`)),
				serverKey,
			);
		}
	};
	const loading = load();
	await expect.poll(() => sent).toBeGreaterThan(500);
	const { code, stdout } = await backup(copy, {}, "--json");
	isOver = true;
	await loading;
	expect([code, JSON.parse(stdout)]).toEqual([0, { ok: true, file: copy, bytes: statSync(copy).size }]);
	const db = new DatabaseSync(copy);
	expect(db.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
	expect(db.prepare("PRAGMA auto_vacuum").get()).toEqual({ auto_vacuum: 2 });
	db.close();
});

test("backs up a store that no proxy uses, and changes nothing beside it", async () => {
	const proxy = await commands.serve();
	proxy.child.kill("SIGTERM");
	await proxy.exit;
	const before = statSync(store);
	expect((await backup()).code).toBe(0);
	const after = statSync(store);
	expect([after.size, after.mtimeMs]).toEqual([before.size, before.mtimeMs]);
});

test("overwrites nothing, and leaves nothing behind", async () => {
	await commands.serve();
	writeFileSync(copy, "mine");
	const refused = await backup();
	expect([refused.code, refused.stdout]).toEqual([1, ""]);
	expect(refused.stderr).toMatch(/copy\.db exists, and is not overwritten/);
	expect(statSync(copy).size).toBe(4);
	expect(parts()).toEqual(["copy.db"]);
	expect((await backup(store)).stderr).toMatch(/store\.db exists/);
});

test.each<[string, () => string, string | undefined, RegExp]>([
	["a missing store", () => "nowhere.db", undefined, /there is no store at nowhere\.db/],
	["a missing folder", () => store, "/nowhere/at/all/copy.db", /folder of \/nowhere\/at\/all\/copy\.db does not exist/],
	["a file that is no database", () => import.meta.filename, undefined, /could not be copied/],
	["another program's database", () => join(commands.folder, "other.db"), undefined, /is no store of eventferry/],
])("fails with 1 for %s, and leaves nothing behind", async (_name, from, to, printed) => {
	const other = new DatabaseSync(join(commands.folder, "other.db"));
	other.exec("CREATE TABLE t (x)");
	other.close();
	const proxy = await commands.serve();
	const { code, stdout, stderr } = await backup(to, {}, "--store", `sqlite:${from()}`);
	expect([code, stdout]).toEqual([1, ""]);
	expect(stderr).toMatch(printed);
	expect(stderr).not.toMatch(/node:internal|\n {4}at /);
	expect(parts()).toEqual([]);
	proxy.child.kill("SIGKILL");
});

test.each([
	["PostgreSQL", ["copy.db", "--store", "postgres://me:s3cr3t@db/shop"], /pg_dump/],
	["no file", [], /backup needs the name of a new file/],
	["an empty name", [""], /backup needs the name of a new file/],
	["a store of another kind", ["copy.db", "--store", "redis://x"], /EVENTFERRY_STORE must be/],
])("with %s is wrong usage", async (_name, args, printed) => {
	const { code, stdout, stderr } = await commands.run(["backup", ...args]);
	expect([code, stdout]).toEqual([2, ""]);
	expect(stderr).toMatch(printed);
	expect(stderr).not.toContain("s3cr3t");
});

test("Ctrl-C ends a backup with 130, and leaves no part of it", async () => {
	const proxy = await commands.serve();
	proxy.child.kill("SIGTERM");
	await proxy.exit;
	const db = new DatabaseSync(store);
	db.exec("CREATE TABLE ballast (x)");
	db.exec(
		`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
		INSERT INTO ballast SELECT randomblob(1000) FROM n`,
	);
	db.close();
	const { child, exit, stderr } = commands.start(["backup", copy], { EVENTFERRY_STORE: `sqlite:${store}` });
	await expect.poll(parts, { interval: 1 }).toContain("copy.db.part");
	child.kill("SIGINT");
	expect(await exit).toBe(130);
	expect(await stderr).toBe("");
	expect(parts()).toEqual([]);
});
