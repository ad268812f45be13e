import { hash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stub } from "../browser/site.ts";
import { answering, nowhere } from "../support/answering.ts";
import { type CommandLine, commandLine } from "../support/command.ts";

const sri = (file: Buffer | string) => `sha384-${hash("sha384", file, "base64")}`;
let commands: CommandLine;
let nobody: string;
beforeAll(async () => {
	nobody = await nowhere();
	commands = await commandLine();
});
afterAll(() => commands.stop());

describe("eventferry snippet", () => {
	test("prints a script tag with the hash of the file that is served, and a stub that keeps times", async () => {
		const { url } = await commands.serve();
		const served = Buffer.from(await (await fetch(`${url}/client.js`)).arrayBuffer());
		const { code, stdout, stderr } = await commands.run(["snippet", "--url", url], commands.right());
		expect([code, stderr]).toEqual([0, ""]);
		expect(stdout).toBe(
			`${stub}\n<script async src="${url}/client.js" integrity="${sri(served)}" crossorigin="anonymous" data-write-key="site_shop"></script>\n`,
		);
	});

	test("uses its own file where no proxy answers, and says so", async () => {
		const own = await readFile("dist/client.js");
		const { code, stdout, stderr } = await commands.run(["snippet", "--url", `${nobody}/ferry/`], commands.right());
		expect(code).toBe(0);
		expect(stdout).toContain(`src="${nobody}/ferry/client.js" integrity="${sri(own)}"`);
		expect(stderr).toMatch(`no proxy answers at ${nobody}`);
	});

	test("prefers what the proxy serves to its own file, and says that they differ", async () => {
		const other = await answering((_request, response) =>
			response.writeHead(200, { "content-type": "text/javascript" }).end("other"),
		);
		const { stdout, stderr } = await commands.run(["snippet", "--url", other.url], commands.right());
		expect(stdout).toContain(sri("other"));
		expect(stderr).toMatch(/serves another version/);
		await other.close();
	});

	test("fails where something else answers", async () => {
		const other = await answering((_request, response) => response.writeHead(404).end("<html>"));
		const { code, stdout, stderr } = await commands.run(["snippet", "--url", other.url], commands.right());
		expect([code, stdout]).toEqual([1, ""]);
		expect(stderr).toMatch(/is not the script \(404\): is the proxy mounted there\?/);
		await other.close();
	});

	test("needs only the write key, from the environment or a file, and prints a tag for each site", async () => {
		const one = await commands.run(["snippet", "--json"], { EVENTFERRY_URL: nobody, EVENTFERRY_WRITE_KEY: 'a"b' });
		expect(JSON.parse(one.stdout)).toMatchObject({
			src: `${nobody}/client.js`,
			sites: [{ writeKey: 'a"b', html: expect.stringContaining('data-write-key="a&quot;b"') }],
		});
		await writeFile(
			join(commands.folder, "eventferry.config.json"),
			JSON.stringify({ sites: [{ writeKey: "site_a" }, { writeKey: "site_b" }] }),
		);
		const { stdout } = await commands.run(["snippet", "--url", nobody]);
		expect(stdout.match(/data-write-key="site_[ab]"/g)).toEqual(['data-write-key="site_a"', 'data-write-key="site_b"']);
	});

	test("without a write key shows where it goes", async () => {
		const { code, stdout, stderr } = await commands.run(["snippet", "--url", nobody, "--config", "none.json"]);
		expect([code, stdout]).toEqual([2, ""]);
		expect(stderr).toContain("none.json");
		await writeFile(join(commands.folder, "empty.json"), "{}");
		const none = await commands.run(["snippet", "--url", nobody, "--config", "empty.json"]);
		expect(none.stdout).toContain('data-write-key="site_…"');
		expect(none.stderr).toContain("EVENTFERRY_WRITE_KEY");
	});
});
