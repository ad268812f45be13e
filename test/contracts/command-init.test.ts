import { execFile, spawn } from "node:child_process";
import { hash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify, stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CommandLine, cli, commandLine } from "../support/command.ts";

const shell = promisify(execFile);

let commands: CommandLine;
beforeEach(async () => {
	commands = await commandLine();
});
afterEach(() => commands.stop());

const init = (...args: string[]) => commands.run(["init", ...args]);
const path = (file: string) => join(commands.folder, file);
const read = (file: string) => readFileSync(path(file), "utf8");
const modeOf = (file: string) => (statSync(path(file)).mode & 0o777).toString(8);
/** Runs a command with the variables of the file, as the printed steps say. */
const withVariables = async (file: string, words: string) => {
	const command = `set -a; . ./${file}; set +a; ${process.execPath} ${cli} ${words}; echo "code $?"`;
	const { stdout, stderr } = await shell("sh", ["-c", command], {
		cwd: commands.folder,
		env: { PATH: process.env.PATH },
	});
	return stdout + stderr;
};

test("eventferry init writes variables with new keys, which pass check once a provider's keys are in", async () => {
	const { code, stdout, stderr } = await init("--origin", "https://www.shop.example/");
	expect([code, stderr]).toEqual([0, ""]);
	expect(modeOf("eventferry.env")).toBe("600");
	expect(await withVariables("eventferry.env", "check")).toMatch(
		/destinations are missing: .*\n.*code 2|code 2\n.*missing/s,
	);
	const { websiteId, identifier, key, baseUrl } = commands.sandbox.destinations.crisp;
	const filled = read("eventferry.env")
		.replace("CRISP_WEBSITE_ID=", `CRISP_WEBSITE_ID=${websiteId}`)
		.replace("CRISP_IDENTIFIER=", `CRISP_IDENTIFIER=${identifier}`)
		.replace("CRISP_KEY=", `CRISP_BASE_URL=${baseUrl}\nCRISP_KEY=${key}`);
	writeFileSync(path("eventferry.env"), filled);
	const checked = await withVariables("eventferry.env", "check --live");
	expect(checked).toMatch(
		/^the configuration is right; .*\n {2}site_shop_example: from https:\/\/www\.shop\.example to crisp\n/,
	);
	expect(checked).toMatch(/crisp accepts the credentials/);
	expect(checked).toMatch(/code 0\n$/);
	// The tag is the one that the proxy's script fits.
	const integrity = `sha384-${hash("sha384", readFileSync("dist/client.js"), "base64")}`;
	expect(stdout).toContain(
		`<script async src="https://www.shop.example/ferry/client.js" integrity="${integrity}" crossorigin="anonymous" data-write-key="site_shop_example"></script>`,
	);
	expect(stdout).toMatch(
		/Next:\n {2}1\. put your keys of Crisp, .* into eventferry\.env\n {2}2\. set -a; \. \.\/eventferry\.env; set \+a\n/,
	);
	const secrets = filled.match(/(?<=^EVENTFERRY_.*=)[\da-f]{64}$/gm) ?? [];
	expect(new Set(secrets).size).toBe(3);
	for (const secret of secrets) expect(stdout).not.toContain(secret);
});

test("eventferry init writes a configuration, which is found, and passes check", async () => {
	const { code, stdout } = await init(
		...["--origin", "https://shop.example", "--origin", "http://localhost:3000", "--write-key", "site_shop"],
		...["--file", "eventferry.config.mjs", "--url", "https://shop.example/in/", "--json"],
	);
	expect(code).toBe(0);
	expect(JSON.parse(stdout)).toEqual({
		ok: true,
		file: "eventferry.config.mjs",
		writeKey: "site_shop",
		origins: ["https://shop.example", "http://localhost:3000"],
		url: "https://shop.example/in",
		html: expect.stringContaining('src="https://shop.example/in/client.js"'),
		next: expect.arrayContaining(["npx eventferry serve"]),
	});
	expect(modeOf("eventferry.config.mjs")).toBe("600");
	expect((await commands.run(["check"])).stderr).toMatch(/destinations are missing/);
	const { websiteId, identifier, key } = commands.sandbox.destinations.crisp;
	const text = read("eventferry.config.mjs");
	const [line = ""] = /\/\/ crisp: .*/.exec(text) ?? [];
	const filled = line
		.replace("// ", "")
		.replace('websiteId: ""', `websiteId: "${websiteId}"`)
		.replace('identifier: ""', `identifier: "${identifier}"`)
		.replace('key: ""', `key: "${key}"`);
	writeFileSync(path("eventferry.config.mjs"), text.replace(line, filled));
	const checked = await commands.run(["check"]);
	expect([checked.code, checked.stderr]).toEqual([0, ""]);
	expect(checked.stdout).toContain("site_shop: from https://shop.example, http://localhost:3000 to crisp");
});

test.each(["eventferry.env", "eventferry.config.mjs"])("never overwrites %s", async (file) => {
	writeFileSync(path(file), "mine");
	const { code, stdout, stderr } = await init("--origin", "https://shop.example", "--file", file);
	expect([code, stdout]).toEqual([1, ""]);
	expect(stderr).toMatch(`${file} exists, and is not overwritten`);
	expect(read(file)).toBe("mine");
});

test.each<[string, string[], RegExp]>([
	["nothing, without a terminal", [], /init needs the origin of your pages/],
	["--yes alone", ["--yes"], /init needs the origin of your pages/],
	["an empty origin", ["--origin", ""], /init needs the origin of your pages/],
	["an origin with a path", ["--origin", "https://shop.example/shop"], /must be scheme:\/\/host/],
	["a placeholder", ["--origin", "https://<your-domain>"], /is still a placeholder/],
	["an address that is none", ["--origin", "shop.example", "--url", "ferry"], /--url must be the URL of the proxy/],
	["a write key with blanks", ["--origin", "shop.example", "--write-key", "my shop"], /--write-key must be/],
	["a file of another kind", ["--origin", "shop.example", "--file", "config.json"], /--file must end with \.mjs/],
	["a word", ["shop.example"], /init takes no "shop\.example"/],
])("with %s is wrong usage, and writes nothing", async (_name, args, printed) => {
	const { code, stdout, stderr } = await init(...args);
	expect([code, stdout]).toEqual([2, ""]);
	expect(stderr).toMatch(printed);
	expect(readdirSync(commands.folder)).toEqual([]);
});

test("a command whose variables are missing says that they are in the file, or how to make one", async () => {
	const nowhere = await commands.run(["serve"]);
	expect(nowhere.stderr).toMatch(/\nTo make a configuration: eventferry init\n$/);
	// A file that cannot be read counts as missing.
	mkdirSync(path("eventferry.env"));
	expect((await commands.run(["serve"])).stderr).toBe(nowhere.stderr);
	rmdirSync(path("eventferry.env"));
	await init("--origin", "https://shop.example");
	const hint = "\neventferry.env has it, but its variables are not set here: set -a; . ./eventferry.env; set +a\n";
	for (const args of [["serve"], ["check", "--live"], ["explain", '{"type":"login"}']]) {
		const { code, stderr } = await commands.run(args);
		expect([args, code, stderr]).toEqual([args, 2, expect.stringContaining(hint)]);
	}
	// A variable that the file leaves empty counts as missing.
	const set = await withVariables("eventferry.env", "check 2>&1");
	expect(set).toMatch(/destinations are missing.*\ncode 2\n$/);
});

test("fails in a folder that it may not write to", async () => {
	const { code, stderr } = await init("--origin", "shop.example", "--file", "nowhere/eventferry.env");
	expect([code, stderr]).toEqual([1, "eventferry: nowhere/eventferry.env cannot be written: ENOENT\n"]);
});

describe.skipIf(!existsSync("/usr/bin/script"))("at a terminal", () => {
	/** Runs init, and types the next answer whenever it asks; resolves to what is shown. */
	async function typed(...answers: string[]): Promise<string> {
		const command = `${process.execPath} ${cli} init; echo code $?`;
		const terminal = spawn("script", ["-qfc", command, "/dev/null"], { cwd: commands.folder });
		let shown = "";
		let asked = 0;
		for await (const chunk of terminal.stdout) {
			shown += stripVTControlCharacters(String(chunk));
			const questions = shown.match(/(example: |\]: )/g)?.length ?? 0;
			for (; asked < questions && asked < answers.length; asked += 1) terminal.stdin.write(answers[asked]);
		}
		return shown.replaceAll("\r", "");
	}

	test("asks for what is not given, again after a mistake", async () => {
		const shown = await typed("https://shop.example/a\r", "shop.example\r", "\r", "\r");
		expect(shown).toMatch(/It must be scheme:\/\/host/);
		expect(shown).toContain("Where do they reach the proxy? [https://shop.example/ferry]: ");
		expect(shown).toMatch(/eventferry\.env has your site and new keys.*code 0\n$/s);
		expect(read("eventferry.env")).toMatch(/^EVENTFERRY_ORIGINS=https:\/\/shop\.example$/m);
	});

	test("asks again for an address that is none, and for a file that cannot be written", async () => {
		writeFileSync(path("taken.env"), "");
		const files = ["y\r", "shop.json\r", "taken.env\r", "shop.env\r"];
		const shown = await typed("shop.example\r", "site_shop\r", "https://shop.example/f\r", ...files);
		expect(shown).toMatch(/It must be the URL of the proxy, .*\nWhere do they reach the proxy\?/);
		expect(shown).toContain("taken.env exists, and is not overwritten");
		expect(shown).toMatch(/shop\.env has your site and new keys.*code 0\n$/s);
		expect(readdirSync(commands.folder).toSorted()).toEqual(["shop.env", "taken.env"]);
	});

	test("writes what is answered", async () => {
		const shown = await typed("http://localhost:3000\r", "http://127.0.0.1:9000\r", "eventferry.config.mjs\r");
		expect(shown).toMatch(/src="http:\/\/127\.0\.0\.1:9000\/client\.js".*code 0\n$/s);
		expect(read("eventferry.config.mjs")).toContain('writeKey: "site_localhost_3000"');
	});

	test.each([
		["Ctrl-C", "\u0003", "code 130"],
		["Ctrl-D", "\u0004", "eventferry: nothing was written\ncode 1"],
		["no answer", "\r", "eventferry: nothing was written\ncode 1"],
	])("%s ends it, and nothing is written", async (_name, key, end) => {
		const shown = await typed(key);
		expect(shown).toContain(end);
		expect(shown).not.toMatch(/node:|\n {4}at /);
		expect(readdirSync(commands.folder)).toEqual([]);
	});
});
