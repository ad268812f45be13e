import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setAsidePageSchema } from "../../shared/admin.ts";
import { cli, runHere } from "../support/command.ts";
import { adminToken, event, type RunningProxy, runProxy } from "../support/proxy.ts";
import { temporaryFolder } from "../support/served.ts";
import { storeTornBatch } from "../support/torn-batch.ts";

/** Ids of batches that cannot be fanned out, far from the ids that the store gives. */
const [first, second, third] = ["1000001", "1000002", "1000003"];

let running: RunningProxy;
let folder: ReturnType<typeof temporaryFolder>;
beforeEach(async () => {
	folder = temporaryFolder();
	const file = `${folder.path}/store.db`;
	await storeTornBatch(file, [first, second, third].map(Number));
	running = await runProxy({ config: { store: `sqlite:${file}` } });
	await expect.poll(stuck).toBe(3);
});
afterEach(async () => {
	await running.stop();
	folder.remove();
});

const stuck = async () => (await (await running.admin("/stats")).json()).stuck;
const listed = async (query = "") => setAsidePageSchema.parse(await (await running.admin(`/journal${query}`)).json());
const ids = async () => (await listed()).items.map(({ id }) => id);
async function post(action: "retry" | "discard", body: unknown): Promise<unknown> {
	const headers = { "content-type": "application/json" };
	const response = await running.admin(`/journal/${action}`, { method: "POST", headers, body: JSON.stringify(body) });
	expect(response.status).toBe(200);
	return response.json();
}

describe("the routes of batches that were set aside", () => {
	it("list them in pages, the oldest first, with the reason but none of the batch's text", async () => {
		const items = [first, second, third].map((id) => ({ id, events: 0, reason: "it is not valid JSON" }));
		expect(await listed()).toEqual({ items });
		const page = await listed("?limit=2");
		expect(page).toEqual({ items: items.slice(0, 2), cursor: second });
		expect(await listed(`?limit=2&cursor=${page.cursor}`)).toEqual({ items: items.slice(2) });
		expect(await listed("?cursor=999999999999999999999999")).toEqual({ items: [] });
	});

	it("try selected ones again, which are set aside again if they still fail", async () => {
		expect(await post("retry", { ids: [first, "7", "99999999999999999999999999"] })).toEqual({ retried: 1 });
		expect(await post("retry", { all: true })).toEqual({ retried: 3 });
		await running.batch(event());
		await running.settled(1);
		expect(await ids()).toEqual([first, second, third]);
	});

	it("discard selected ones, and leave the others", async () => {
		expect(await post("discard", { ids: [second, "7"] })).toEqual({ discarded: 1 });
		expect(await ids()).toEqual([first, third]);
		expect(await post("discard", { all: true })).toEqual({ discarded: 2 });
		expect([await ids(), await stuck()]).toEqual([[], 0]);
	});
});

describe("eventferry journal", () => {
	const keys = () => ({ EVENTFERRY_URL: running.url, EVENTFERRY_ADMIN_TOKEN: adminToken });
	const run = (...args: string[]) => runHere(["journal", ...args], keys());

	it("list prints a table, or JSON", async () => {
		const { code, stdout } = await run("list");
		expect(code).toBe(0);
		expect(stdout).toMatch(/^ID +SITE +EVENTS +STORED, UTC +WHY\n1000001 +0 +it is not valid JSON\n/);
		expect(stdout).toMatch(/\n3 batches set aside\n$/);
		expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
		expect(JSON.parse((await run("list", "--json")).stdout)).toEqual(await listed());
		await post("discard", { all: true });
		expect(await run("list")).toMatchObject({ code: 0, stdout: "no batch is set aside\n" });
	});

	it("retry tries all of them or the selected ones again", async () => {
		expect(await run("retry")).toMatchObject({ code: 0, stdout: "retried 3 batches\n" });
		expect(await run("retry", "--id", first, second)).toMatchObject({ code: 0, stdout: "retried 2 batches\n" });
		expect(JSON.parse((await run("retry", first, "--json")).stdout)).toEqual({ retried: 1 });
	});

	it("discard of selected ones runs at once", async () => {
		expect(await run("discard", "--id", second)).toMatchObject({ code: 0, stdout: "discarded 1 batch\n" });
		expect(await ids()).toEqual([first, third]);
	});

	it("discard of all needs --all --yes without a terminal", async () => {
		for (const options of [[], ["--all"], ["--yes"]]) {
			const { code, stdout, stderr } = await run("discard", ...options);
			expect([code, stdout]).toEqual([2, ""]);
			expect(stderr).toContain("--all --yes");
		}
		expect(await ids()).toHaveLength(3);
		expect(await run("discard", "--all", "--yes")).toMatchObject({ code: 0, stdout: "discarded 3 batches\n" });
	});

	it.skipIf(!existsSync("/usr/bin/script"))("discard of all asks at a terminal", async () => {
		const typed = async (answer: string) => {
			const command = `${process.execPath} ${cli} journal discard; echo code $?`;
			const terminal = spawn("script", ["-qfc", command, "/dev/null"], { env: { ...process.env, ...keys() } });
			let shown = "";
			for await (const chunk of terminal.stdout) {
				shown += chunk;
				if (shown.includes("[y/N]") && !terminal.stdin.writableEnded) terminal.stdin.end(answer);
			}
			return stripVTControlCharacters(shown).split(/[\r\n]+/);
		};
		expect(await typed("\r")).toEqual(expect.arrayContaining(["eventferry: nothing was done", "code 1"]));
		expect(await ids()).toHaveLength(3);
		expect(await typed("y\r")).toEqual(expect.arrayContaining(["discarded 3 batches", "code 0"]));
	});

	it.each([
		["no action", [], /list, retry or discard/],
		["another action", ["burn"], /"burn"/],
		["an invalid id", ["retry", "one"], /"one" is not the id of a batch/],
		["an empty id", ["discard", "--id", ""], /id of a batch is empty/],
		["--all beside an id", ["discard", "--all", "--yes", "--id", "1"], /either --all or --id/],
		["an id for list", ["list", "1"], /takes no ids/],
	])("with %s is wrong usage", async (_name, args, printed) => {
		const { code, stderr } = await run(...args);
		expect(code).toBe(2);
		expect(stderr).toMatch(printed);
	});

	it.each(["retry", "discard"])("%s of an unknown batch fails", async (action) => {
		expect(await run(action, "7")).toMatchObject({ code: 1, stderr: expect.stringMatching(/no such batch.*: 7/) });
	});
});
