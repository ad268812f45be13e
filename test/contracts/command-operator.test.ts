import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { answering, nowhere } from "../support/answering.ts";
import { type CommandLine, cli, commandLine, type Environment, runHere } from "../support/command.ts";
import { adminToken, serverKey } from "../support/proxy.ts";
import { postEvents } from "../support/served.ts";
import { storeTornBatch } from "../support/torn-batch.ts";

let commands: CommandLine;
let url: string;
beforeAll(async () => {
	commands = await commandLine();
	// A budget large enough for many refusals at once.
	({ url } = await commands.serve(["--port", "0"], { ...commands.validEnvironment(), CRISP_DAILY_BUDGET: "100000" }));
});
afterEach(async () => {
	// Clearing the sandbox while an event is under way would make a dead letter of it.
	await expect.poll(crisp, { timeout: 60_000, interval: 20 }).toMatchObject({ waiting: 0 });
	commands.sandbox.clear();
});
afterAll(() => commands.stop());

/** Environment of an operator's shell. */
const keys = (more: Environment = {}): Environment => ({
	EVENTFERRY_URL: url,
	EVENTFERRY_SERVER_KEY: serverKey,
	EVENTFERRY_ADMIN_TOKEN: adminToken,
	...more,
});
const run = (...args: string[]) => commands.run(args, keys());
/** Runs a command and resolves to the JSON that it prints. */
const json = async (...args: string[]) => JSON.parse((await run(...args, "--json")).stdout);
const longest = (text: string) => Math.max(...text.split("\n").map((line) => line.length));

interface Destination {
	waiting: number;
	dead: number;
}

const crisp = async (): Promise<Destination> => {
	const response = await fetch(`${url}/admin/stats`, { headers: { authorization: `Bearer ${adminToken}` } });
	return (await response.json()).destinations.crisp;
};

/** Sends events that Crisp refuses. Resolves once all are dead letters. */
async function refused(...letters: (string | { name: string; at: number })[]): Promise<void> {
	const names = letters.map((letter) => (typeof letter === "string" ? { name: letter, at: Date.now() } : letter));
	await expect.poll(crisp).toMatchObject({ waiting: 0, dead: 0 });
	const email = (name: string) => (names.length > 100 ? `${name.replace(" ", "")}@example.com` : "ada@example.com");
	const clear = commands.sandbox.fault("crisp", { status: 400, body: { error: true, reason: "invalid_data" } });
	for (let first = 0; first < names.length; first += 100) {
		const events = names.slice(first, first + 100).map(({ name, at }) => ({
			id: crypto.randomUUID(),
			type: "track",
			name,
			at,
			person: { email: email(name) },
		}));
		expect((await postEvents(url, events, serverKey)).status).toBe(202);
	}
	await expect.poll(crisp, { timeout: 60_000, interval: 20 }).toMatchObject({ waiting: 0, dead: names.length });
	clear();
}

async function expectUsage(args: string[], printed: RegExp): Promise<void> {
	const { code, stdout, stderr } = await runHere(args, keys());
	expect([code, stdout]).toEqual([2, ""]);
	expect(stderr).toMatch(printed);
}

describe("eventferry send", () => {
	test("sends one event as the backend, which is delivered", async () => {
		const { code, stdout, stderr } = await run("send", "invoice:paid", '{"total": 12}', "--email", "ada@example.com");
		expect([code, stderr]).toEqual([0, ""]);
		expect(stdout).toMatch(/^accepted: invoice:paid of ada@example\.com, id [\da-f-]{36}\n$/);
		await commands.sandbox.until((requests) =>
			requests.some(({ status, path }) => status === 200 && /events/.test(path)),
		);
		const [ada] = commands.sandbox.people("crisp");
		expect(ada).toMatchObject({ email: "ada@example.com", events: [{ name: "invoice:paid", data: { total: 12 } }] });
	});

	test("needs no data, accepts --url and prints JSON", async () => {
		const { code, stdout } = await commands.run(
			["send", "hello", "--email=ada@example.com", "--json", "--url", `${url}/`],
			keys({ EVENTFERRY_URL: await nowhere() }),
		);
		expect(code).toBe(0);
		expect(JSON.parse(stdout)).toEqual({ id: expect.any(String), accepted: 1, rejected: [] });
	});

	test("fails with the reason if the proxy does not accept the event", async () => {
		const { code, stdout, stderr } = await run("send", "hello", "--email", "nobody");
		expect([code, stdout]).toEqual([1, ""]);
		expect(stderr).toMatch(/not accepted: .*e-mail.* \(invalid_event\)/);
	});

	test.each([
		["no name", ["--email", "a@example.com"], /name of an event/],
		["no person", ["hello"], /--email/],
		["data that is not JSON", ["hello", "{total: 12}", "--email", "a@example.com"], /JSON object/],
		["data that is not an object", ["hello", "[1]", "--email", "a@example.com"], /JSON object/],
		["one word too many", ["hello", "{}", "more", "--email", "a@example.com"], /"more"/],
		["another command's option", ["hello", "--email", "a@example.com", "--port", "1"], /--port/],
	])("with %s is wrong usage", (_name, args, printed) => expectUsage(["send", ...args], printed));
});

describe("eventferry send of other events, and of people with a userId", () => {
	test.each([
		[["--type", "confirmation", '{"orderId":"A-1","total":12}'], "confirmation", { orderId: "A-1" }],
		[["confirmation", '{"orderId":"A-2"}', "--type", "confirmation"], "confirmation", { orderId: "A-2" }],
		[["confirmation", "--type", "track"], "confirmation", undefined],
	])("sends %j", async (args, name, data) => {
		const { code, stdout, stderr } = await run("send", ...args, "--email", "ada@example.com");
		expect([code, stderr]).toEqual([0, ""]);
		expect(stdout).toMatch(new RegExp(`^accepted: ${name} of ada@example\\.com, id `));
		await expect.poll(() => commands.sandbox.people("crisp")[0]?.events.length, { timeout: 60_000 }).toBe(1);
		const [first] = commands.sandbox.people("crisp")[0]?.events ?? [];
		if (data) expect(JSON.stringify(first?.data)).toContain(data.orderId);
		else expect(first?.name).toBe(name);
	});

	test("sends a login of a person with a userId, alone or beside an e-mail", async () => {
		const login = ["send", "--type", "login", '{"plan":"pro"}', "--user-id", "1815"];
		expect((await run(...login)).stdout).toMatch(/^accepted: login of 1815, id /);
		expect((await run(...login, "--email", "ada@example.com")).stdout).toMatch(/^accepted: login of ada@example\.com/);
		await expect.poll(() => commands.sandbox.people("crisp")[0]?.attributes.plan, { timeout: 60_000 }).toBe("pro");
	});

	test.each(["login", "update", "page", "confirmation", "email_open"])(
		"refuses %s as the name of a track, and says how to send it",
		(type) => expectUsage(["send", type, "--email", "a@example.com"], new RegExp(`add --type ${type}`)),
	);

	test.each([
		["an unknown type", ["--type", "confirmaton"], /no type "confirmaton".*did you mean confirmation\?/],
		["a name beside a type", ["sale", "{}", "--type", "page"], /a page has no name/],
		["data that is not JSON", ["sale", "--type", "page"], /JSON object/],
		["no person", ["--type", "page"], /--email or --user-id/],
	])("with %s is wrong usage", (_name, args, printed) => expectUsage(["send", ...args], printed));

	test("works against the sandbox, without a key", async () => {
		const trying = await commands.serve(["--sandbox", "--port", "0"], {});
		const sent = await commands.run(["send", "hello", "--email", "a@example.com"], { EVENTFERRY_URL: trying.url });
		expect(sent).toMatchObject({ code: 0, stderr: "" });
		const stats = async () => (await fetch(`${trying.url}/admin/stats`)).json();
		await expect.poll(stats, { timeout: 60_000 }).toMatchObject({ destinations: { crisp: { delivered: 1 } } });
		const wrong = { EVENTFERRY_URL: trying.url, EVENTFERRY_SERVER_KEY: "wr0ng" };
		expect((await commands.run(["send", "hello", "--email", "a@example.com"], wrong)).code).toBe(1);
		const body = JSON.stringify({ events: [] });
		for (const headers of [{ origin: "https://evil.example" }, { "x-forwarded-for": "192.0.2.1" }])
			expect((await fetch(`${trying.url}/v1/events`, { method: "POST", headers, body })).status).toBe(401);
		trying.child.kill("SIGTERM");
		await trying.exit;
	});
});

describe("eventferry deadletters", () => {
	afterEach(() => run("deadletters", "discard", "--all", "--yes"));

	test("list prints each in a line of 80 columns, and show prints the event", async () => {
		await refused("one", "a name that goes on for so long that no table could ever hold all of it");
		const { code, stdout } = await run("deadletters", "list", "--destination", "crisp");
		expect(code).toBe(0);
		expect(stdout).toMatch(
			/^ID +DESTINATION +TRIED, UTC +WHY +PERSON +EVENT\n\d+ +crisp +[\d-]+ [\d:]+ +400 invalid_data +ada@example\.com +one\n/,
		);
		expect(longest(stdout)).toBeLessThanOrEqual(80);
		const [, id = ""] = /^(\d+) .* one$/m.exec(stdout) ?? [];
		const shown = await run("deadletters", "show", id);
		expect(shown.stdout).toMatch(`${id}: to crisp, 400 invalid_data`);
		expect(shown.stdout).toContain('"email": "ada@example.com"');
		expect(shown.stdout).not.toContain("goes on");
		expect((await json("deadletters", "list", "--reason", "invalid_data")).items).toHaveLength(2);
		expect((await json("deadletters", "list", "--reason", "other")).items).toEqual([]);
	});

	test("list selects by person, name, reason and time, and at most --limit", async () => {
		await refused("one", "two", "two");
		const names = async (...args: string[]) =>
			(await json("deadletters", "list", ...args)).items.map(({ event }: { event: { name: string } }) => event.name);
		expect(await names("--person", "ADA@example.com", "--name", "two")).toEqual(["two", "two"]);
		expect(await names("--person", "bob@example.com")).toEqual([]);
		expect(await names("--since", "1h", "--reason", "invalid_data")).toEqual(["one", "two", "two"]);
		expect(await names("--since", new Date(Date.now() + 60_000).toISOString())).toEqual([]);
		expect(await names("--limit", "2")).toEqual(["one", "two"]);
		const { stdout } = await run("deadletters", "list", "--limit", "2");
		expect(stdout).toMatch(/\n2 dead letters, and there are more; see one with/);
		expect((await run("deadletters", "list", "--limit", "3")).stdout).toMatch(/\n3 dead letters; see one with/);
		expect(await run("deadletters", "discard", "--name", "two", "--since", "2d")).toMatchObject({
			code: 0,
			stdout: "discarded 2 dead letters\n",
		});
		expect(await json("deadletters", "replay", "--person", "ada@example.com")).toEqual({ replayed: 1 });
	});

	test("list reports that there are none", async () => {
		expect(await run("deadletters", "list")).toMatchObject({ code: 0, stdout: "no dead letters\n" });
	});

	test("replay delivers the selected dead letters, and discard deletes them", async () => {
		await refused("one", "two", "three", "four");
		const { items } = await json("deadletters", "list");
		const ids: string[] = items.map(({ id }: { id: string }) => id);
		const [first = "", second = "", third = ""] = ids;
		expect(await run("deadletters", "replay", "--id", first, second)).toMatchObject({
			code: 0,
			stdout: "replayed 2 dead letters\n",
			stderr: "",
		});
		await commands.sandbox.until(() => commands.sandbox.people("crisp")[0]?.events.length === 2);
		expect(await json("deadletters", "discard", "--id", third)).toEqual({ discarded: 1 });
		expect(await json("deadletters", "replay", "--destination", "crisp", "--reason", "invalid_data")).toEqual({
			replayed: 1,
		});
		await commands.sandbox.until(() => commands.sandbox.people("crisp")[0]?.events.length === 3);
		expect(commands.sandbox.people("crisp")[0]?.events.map(({ name }) => name)).toEqual(["one", "two", "four"]);
		expect(await json("deadletters", "replay", "--all", "--yes")).toEqual({ replayed: 0 });
	});

	test("a long replay reports its progress on stderr", async () => {
		await refused(...Array.from({ length: 1_200 }, (_, index) => `event ${index}`));
		const { code, stdout, stderr } = await run("deadletters", "replay", "--all", "--yes");
		expect([code, stdout]).toEqual([0, "replayed 1,200 dead letters\n"]);
		expect(stderr).toBe("replayed 1,000 dead letters so far\nreplayed 1,200 dead letters so far\n");
		await expect.poll(crisp, { timeout: 60_000, interval: 20 }).toMatchObject({ waiting: 0, dead: 0 });
	});

	test.each([
		["no action", [], /list, show, replay or discard/],
		["another action", ["burn"], /"burn"/],
		["an action of __proto__", ["__proto__"], /list, show/],
		["an invalid id", ["show", "one"], /"one" is not the id/],
		["an empty id", ["discard", "--id", ""], /id of a dead letter is empty/],
		["an empty argument", ["replay", ""], /id of a dead letter is empty/],
		["--all beside a selection", ["replay", "--all", "--yes", "--destination", "crisp"], /either --all or a selection/],
		["an action that is misspelt", ["lsit"], /"lsit", did you mean list\?/],
		[
			"an unknown destination",
			["replay", "--destination", "crips"],
			/"crips", only crisp, helpcrunch, vibetrace, did you mean crisp\?/,
		],
		["an empty person", ["discard", "--person", ""], /--person is empty/],
		["a blank reason", ["discard", "--reason", " "], /--reason is empty/],
		["an empty time", ["discard", "--since="], /"" is no time for --since/],
		["a time in words", ["list", "--since", "yesterday"], /"yesterday" is no time.* 3d ago/],
		["a date that is none", ["list", "--since", "2026-13-01"], /"2026-13-01" is no time/],
		["a limit of none", ["list", "--limit", "0"], /--limit must be a whole number from 1/],
		["a limit of a change", ["discard", "--limit", "2", "--name", "one"], /discard takes no --limit/],
	])("with %s is wrong usage", (_name, args, printed) => expectUsage(["deadletters", ...args], printed));

	test.each(["show", "replay", "discard"])("%s of an unknown dead letter fails", async (action) => {
		const { code, stderr } = await runHere(["deadletters", action, "999999"], keys());
		expect(code).toBe(1);
		expect(stderr).toMatch(/there is no such dead letter: 999999/);
	});

	test.each([[], ["--all"], ["--yes"]])(
		"replay and discard of all with %j is wrong usage without a terminal",
		async (...options) => {
			await refused("one");
			for (const action of ["replay", "discard"]) {
				const { code, stdout, stderr } = await run("deadletters", action, ...options);
				expect([code, stdout]).toEqual([2, ""]);
				expect(stderr).toContain("--all --yes");
			}
			expect(await crisp()).toMatchObject({ waiting: 0, dead: 1 });
		},
	);

	describe.skipIf(!existsSync("/usr/bin/script"))("at a terminal", () => {
		/** Resolves to the terminal's lines, with the exit code, after an answer is typed to the first question. */
		const typed = async (words: string, answer: string) => {
			const command = `${process.execPath} ${cli} deadletters ${words}; echo code $?`;
			const terminal = spawn("script", ["-qfc", command, "/dev/null"], { env: { ...process.env, ...keys() } });
			let shown = "";
			for await (const chunk of terminal.stdout) {
				shown += chunk;
				if (shown.includes("[y/N]") && !terminal.stdin.writableEnded) terminal.stdin.end(answer);
			}
			return stripVTControlCharacters(shown).split(/[\r\n]+/);
		};

		test("discard of all asks for confirmation", async () => {
			await refused("one");
			expect(await typed("discard --all", "\r")).toEqual(
				expect.arrayContaining(["eventferry: nothing was done", "code 1"]),
			);
			expect(await typed("discard --all", "y\r")).toEqual(
				expect.arrayContaining(["discarded 1 dead letter", "code 0"]),
			);
		});

		test("replay and discard of all need --all", async () => {
			await refused("one");
			for (const action of ["replay", "discard"]) {
				const shown = await typed(action, "y\r");
				expect(shown.join(" ")).toMatch(/add --all; else select some: --destination.* code 2/);
			}
			expect(await crisp()).toMatchObject({ dead: 1 });
		});

		test("Ctrl-C at a question ends with 130, and nothing is done", async () => {
			await refused("one");
			const shown = await typed("discard --all", "\u0003");
			expect(shown).toContain("code 130");
			expect(shown.join("\n")).not.toMatch(/node:|\n {4}at /);
			expect(await crisp()).toMatchObject({ dead: 1 });
		});

		test.each(["replay --all", "replay --destination crisp"])(
			"%s says how old the events are, and asks",
			async (words) => {
				await refused(
					{ name: "old", at: Date.now() - 50 * 3_600_000 },
					{ name: "new", at: Date.now() - 5.5 * 3_600_000 },
				);
				const question = expect.stringMatching(/replay 2 events, which happened 5 h to 2 d ago\? \[y\/N\]/);
				const kept = await typed(words, "n\r");
				expect(kept).toEqual(expect.arrayContaining([question, "eventferry: nothing was done", "code 1"]));
				expect(kept.join()).toContain("automations may write to people");
				expect(await typed(words, "\u0004")).toEqual(
					expect.arrayContaining(["eventferry: nothing was done", "code 1"]),
				);
				expect(await crisp()).toMatchObject({ dead: 2 });
				expect(await typed(words, "y\r")).toEqual(
					expect.arrayContaining([question, "replayed 2 dead letters", "code 0"]),
				);
			},
		);

		test("nothing is asked with --yes, nor where there is nothing to replay", async () => {
			await refused("one");
			expect(await typed("replay --yes --destination crisp", "")).toEqual(["replayed 1 dead letter", "code 0", ""]);
			expect(await typed("replay --all", "")).toEqual(["replayed 0 dead letters", "code 0", ""]);
			expect(await typed("replay --yes", "")).toContain("code 2");
		});
	});

	test("ends quietly when its output is closed", async () => {
		await refused("one");
		const { stderr, exit, child } = commands.start(["deadletters", "list"], keys());
		child.stdout?.destroy();
		expect([await exit, await stderr]).toEqual([0, ""]);
	});
});

describe("eventferry stats", () => {
	test("prints waiting, delivered and dead events, and the rest of the budget, in 80 columns", async () => {
		await refused("one");
		const { code, stdout } = await run("stats");
		expect(stdout).toMatch(/the store takes \d[\d.]*[kM] of 4G\n/);
		expect(code).toBe(0);
		expect(stdout).toMatch(/^[\d,]+ events taken in/);
		expect(stdout).not.toMatch("could not be sorted");
		expect(stdout).toMatch(/^DESTINATION +STATE +WAITING +OLDEST +DELIVERED +DEAD\ncrisp +running +0 +[\d,]+ +1$/m);
		expect(stdout).toMatch(/^crisp +site_shop +[\d,]+ +100,000 +day$/m);
		expect(longest(stdout)).toBeLessThanOrEqual(80);
		expect(await json("stats")).toMatchObject({ destinations: { crisp: { state: "running", dead: 1 } } });
	});
});

describe("eventferry stats of attributes that were left out", () => {
	test("counts them, and names those that are refused, without their control characters", async () => {
		const body = { error: true, reason: "invalid_data" };
		commands.sandbox.fault("crisp", { status: 400, body, path: /\/data\//, times: 1 });
		const person = { email: "ada@example.com" };
		commands.sandbox.addPerson("crisp", person);
		const data = { plan: "pro", "bad\u001b[2J": 1 };
		const login = { id: crypto.randomUUID(), type: "login", at: Date.now(), person, data };
		expect((await postEvents(url, [login], serverKey)).status).toBe(202);
		await expect
			.poll(() => json("stats"), { timeout: 60_000 })
			.toMatchObject({ destinations: { crisp: { leftOut: 1 } } });
		const { stdout } = await run("stats");
		expect(stdout).toMatch(/^left out at crisp: 1 attribute value\n {2}it refuses the name bad.*$/m);
		expect(stdout).not.toContain("\u001b");
		expect(longest(stdout)).toBeLessThanOrEqual(80);
	});
});

describe("eventferry stats of a proxy that has set a batch aside", () => {
	test("reports the batch, as text and in JSON", async () => {
		const file = join(commands.folder, "torn.db");
		await storeTornBatch(file);
		const otherServer = await commands.serve(["--port", "0"], {
			...commands.validEnvironment(),
			EVENTFERRY_STORE: `sqlite:${file}`,
		});
		const printed = async (...args: string[]) => (await run("stats", "--url", otherServer.url, ...args)).stdout;
		await expect.poll(async () => JSON.parse(await printed("--json"))).toMatchObject({ journal: 0, stuck: 1 });
		const text = await printed();
		expect(text).toMatch(/^1 batch could not be sorted: see the log\. Each start tries again\.$/m);
		expect(longest(text)).toBeLessThanOrEqual(80);
		otherServer.child.kill("SIGTERM");
		await otherServer.exit;
	});
});

describe("a command that calls the proxy", () => {
	const commandLines = [
		["send", "hello", "--email", "a@example.com"],
		["deadletters", "list"],
		["deadletters", "replay", "--all", "--yes"],
		["stats"],
	];

	test.each(commandLines)("reports that no proxy answers: %s", async (...args) => {
		const nobody = await nowhere();
		const { code, stdout, stderr } = await runHere(args, keys({ EVENTFERRY_URL: `${nobody}/ferry` }));
		expect([code, stdout]).toEqual([1, ""]);
		expect(stderr).toBe(`eventferry: no proxy answers at ${nobody}: is it running? (ECONNREFUSED)\n`);
	});

	test.each(commandLines)("reports a missing and a wrong key: %s", async (...args) => {
		const name = args[0] === "send" ? "EVENTFERRY_SERVER_KEY" : "EVENTFERRY_ADMIN_TOKEN";
		const without = await runHere(args, { EVENTFERRY_URL: url });
		expect([without.code, without.stdout]).toEqual([2, ""]);
		expect(without.stderr).toMatch(`${name} is missing`);
		const wrong = await runHere(args, { EVENTFERRY_URL: url, [name]: "wr0ng" });
		expect([wrong.code, wrong.stdout]).toEqual([1, ""]);
		expect(wrong.stderr).toMatch(`does not take this ${name}`);
		expect(wrong.stderr).not.toContain("wr0ng");
	});

	test.each(commandLines)("reports that another server answers: %s", async (...args) => {
		for (const [status, headers] of [
			[404, {}],
			[200, {}],
			[302, { location: url }],
		] as const) {
			const otherServer = await answering((_request, response) => response.writeHead(status, headers).end("<html>"));
			const { code, stdout, stderr } = await runHere([...args, "--url", otherServer.url], keys());
			expect([code, stdout]).toEqual([1, ""]);
			expect(stderr).toMatch(/no eventferry proxy/);
			await otherServer.close();
		}
	});

	test.each(["shop.example", "ftp://shop.example", "https://me:pass@shop.example", "https://shop.example/?a", ""])(
		"refuses %j as the URL of a proxy",
		async (place) => {
			const option = await runHere(["stats", "--url", place], keys());
			expect([option.code, option.stdout]).toEqual([2, ""]);
			expect(option.stderr).toMatch(/--url must be the URL of the proxy/);
			expect(option.stderr).not.toContain("pass");
		},
	);

	test("reads its keys from files as well", async () => {
		const file = join(commands.folder, "token");
		await writeFile(file, `${adminToken}\n`);
		const { code } = await runHere(["stats"], { EVENTFERRY_URL: url, EVENTFERRY_ADMIN_TOKEN_FILE: file });
		expect(code).toBe(0);
		const missing = await runHere(["stats"], { EVENTFERRY_URL: url, EVENTFERRY_ADMIN_TOKEN_FILE: "/nowhere" });
		expect(missing.code).toBe(2);
		expect(missing.stderr).toContain("EVENTFERRY_ADMIN_TOKEN_FILE");
	});
});
