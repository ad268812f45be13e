import { hash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stub } from "../browser/site.ts";
import { answering, nowhere } from "../support/answering.ts";
import { type CommandLine, commandLine } from "../support/command.ts";

const sri = (file: Buffer | string) => `sha384-${hash("sha384", file, "base64")}`;
let commands: CommandLine;
let unusedUrl: string;
beforeAll(async () => {
	unusedUrl = await nowhere();
	commands = await commandLine();
});
afterAll(() => commands.stop());

describe("eventferry snippet", () => {
	test("prints a script tag with the hash of the served file, and a stub that records times", async () => {
		const { url } = await commands.serve();
		const served = Buffer.from(await (await fetch(`${url}/client.js`)).arrayBuffer());
		const { code, stdout, stderr } = await commands.run(["snippet", "--url", url], commands.validEnvironment());
		expect([code, stderr]).toEqual([0, ""]);
		expect(stdout).toBe(
			`${stub}\n<script async src="${url}/client.js" integrity="${sri(served)}" crossorigin="anonymous" data-write-key="site_shop"></script>\n`,
		);
	});

	test("with --adopt prints a second tag, with the hash of the file that observes other trackers", async () => {
		const own = await readFile("dist/adopt.js");
		const { code, stdout } = await commands.run(
			["snippet", "--adopt", "--url", unusedUrl],
			commands.validEnvironment(),
		);
		expect(code).toBe(0);
		const [, tag, adopting] = stdout.trimEnd().split("\n");
		expect(tag).toContain(`src="${unusedUrl}/client.js"`);
		expect(adopting).toBe(
			`<script async src="${unusedUrl}/adopt.js" integrity="${sri(own)}" crossorigin="anonymous" data-adopt="crisp helpcrunch vibetrace ga4 segment"></script>`,
		);
	});

	test("uses its own file if no proxy answers, and says so", async () => {
		const own = await readFile("dist/client.js");
		const { code, stdout, stderr } = await commands.run(
			["snippet", "--url", `${unusedUrl}/ferry/`],
			commands.validEnvironment(),
		);
		expect(code).toBe(0);
		expect(stdout).toContain(`src="${unusedUrl}/ferry/client.js" integrity="${sri(own)}"`);
		expect(stderr).toMatch(`no proxy answers at ${unusedUrl}`);
	});

	test("prefers the file that the proxy serves to its own, and says that they differ", async () => {
		const otherServer = await answering((_request, response) =>
			response.writeHead(200, { "content-type": "text/javascript" }).end("other"),
		);
		const { stdout, stderr } = await commands.run(["snippet", "--url", otherServer.url], commands.validEnvironment());
		expect(stdout).toContain(sri("other"));
		expect(stderr).toMatch(/serves another version/);
		await otherServer.close();
	});

	test("fails if another server answers", async () => {
		const otherServer = await answering((_request, response) => response.writeHead(404).end("<html>"));
		const { code, stdout, stderr } = await commands.run(
			["snippet", "--url", otherServer.url],
			commands.validEnvironment(),
		);
		expect([code, stdout]).toEqual([1, ""]);
		expect(stderr).toMatch(/is not the script \(404\): is the proxy mounted there\?/);
		await otherServer.close();
	});

	test("needs only the write key, from the environment or a file, and prints a tag for each site", async () => {
		const printed = await commands.run(["snippet", "--json"], {
			EVENTFERRY_URL: unusedUrl,
			EVENTFERRY_WRITE_KEY: 'a"b',
		});
		expect(JSON.parse(printed.stdout)).toMatchObject({
			src: `${unusedUrl}/client.js`,
			sites: [{ writeKey: 'a"b', html: expect.stringContaining('data-write-key="a&quot;b"') }],
		});
		await writeFile(
			join(commands.folder, "eventferry.config.json"),
			JSON.stringify({ sites: [{ writeKey: "site_a" }, { writeKey: "site_b" }] }),
		);
		const { stdout } = await commands.run(["snippet", "--url", unusedUrl]);
		expect(stdout.match(/data-write-key="site_[ab]"/g)).toEqual(['data-write-key="site_a"', 'data-write-key="site_b"']);
	});

	test("without a write key prints a placeholder", async () => {
		const { code, stdout, stderr } = await commands.run(["snippet", "--url", unusedUrl, "--config", "none.json"]);
		expect([code, stdout]).toEqual([2, ""]);
		expect(stderr).toContain("none.json");
		await writeFile(join(commands.folder, "empty.json"), "{}");
		const none = await commands.run(["snippet", "--url", unusedUrl, "--config", "empty.json"]);
		expect(none.stdout).toContain('data-write-key="site_…"');
		expect(none.stderr).toContain("EVENTFERRY_WRITE_KEY");
	});
});
