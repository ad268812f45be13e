import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CommandLine, cli, commandLine, type Environment } from "../support/command.ts";
import { blocks, blockWith } from "../support/readme.ts";

const run = promisify(execFile);

let commands: CommandLine;
let url: string;
let path: string;
beforeAll(async () => {
	commands = await commandLine();
	({ url } = await commands.serve());
	// Provides `eventferry` and `npx eventferry`, as in a project with the package installed.
	const bin = join(commands.folder, "bin");
	await mkdir(bin);
	for (const [name, args] of Object.entries({ eventferry: '"$@"', npx: '$(shift; echo "$@")' })) {
		await writeFile(join(bin, name), `#!/bin/sh\nexec "${process.execPath}" "${cli}" ${args}\n`);
		await chmod(join(bin, name), 0o755);
	}
	path = `${bin}:${dirname(process.execPath)}:${process.env.PATH}`;
});
afterAll(() => commands.stop());

const environment = (more: Environment = {}): Environment => ({
	...commands.validEnvironment(),
	EVENTFERRY_URL: url,
	...more,
	PATH: path,
});
const shell = (script: string) =>
	run("sh", ["-ec", script], { cwd: commands.folder, env: environment() as NodeJS.ProcessEnv });
const here = (script: string) => script.replaceAll("https://shop.example/ferry", url);

describe("the README's", () => {
	test("blocks are each run, or checked, by a test", () => {
		const covered: [start: string, where: string][] = [
			["<script>window.eventferry = window", "test/browser/recipes.test.ts"],
			["<script>window.eventferryConfig", "test/browser/script-tag.test.ts"],
			["<script>window.eventferry=window", "test/contracts/command-snippet.test.ts"],
			['import { createTracker } from "eventferry"', "test/browser/recipes.test.ts"],
			["<TrackerProvider", "test/unit/client/react.test.ts, test/browser/recipes.test.ts"],
			["npm ci && npm start", "CI, test/browser/shop.test.ts"],
			["npm install eventferry express", "test/package/package.test.ts"],
			["export EVENTFERRY_WRITE_KEY", "here"],
			["location /ferry/", "not run: there is no nginx in the tests"],
			["handle_path /ferry/", "not run: there is no Caddy in the tests"],
			['import express from "express"', "here"],
			["await proxy.track(", "test/contracts/http.test.ts"],
			["curl https://shop.example/ferry/v1/events", "here"],
			["import { signOpenUrl }", "test/contracts/inbound.test.ts"],
			["curl https://shop.example/ferry/v1/people", "here"],
			["import { defineDestination }", "test/unit/readme.test.ts"],
			["// eventferry.config.mjs", "test/unit/readme.test.ts"],
			["eventferry check --live", "here"],
			["import { createCrisp }", "test/contracts/crisp-events.test.ts"],
			["import { signIdentity }", "test/contracts/identity.test.ts"],
			["tracker.login({ token })", "test/contracts/identity.test.ts"],
			['import { createProxy } from "eventferry/server"', "test/package/readme.test.ts"],
		];
		const unclaimed = blocks.filter(({ text }) => !covered.some(([start]) => text.startsWith(start)));
		expect(unclaimed).toEqual([]);
	});

	test("commands work as described", async () => {
		await shell(here(blockWith("eventferry check --live")).replace(/^eventferry migrate.*$/gm, ""));
		await commands.sandbox.waitFor({ name: "invoice:paid", data: { total: 12 } });
	});

	test("requests from a backend get the answers that it shows", async () => {
		const sent = blockWith("curl https://shop.example/ferry/v1/events");
		const [, answer = ""] = /^# (.*)$/m.exec(sent) ?? [];
		expect((await shell(here(sent))).stdout).toBe(answer);
		const { stdout } = await shell(here(blockWith("curl https://shop.example/ferry/v1/people")));
		expect(JSON.parse(stdout)).toMatchObject({ destinations: { crisp: { profile: expect.any(String) } } });
	});

	test("standalone proxy starts with the variables that it names", async () => {
		const { crisp } = commands.sandbox.destinations;
		const script = blockWith("export EVENTFERRY_WRITE_KEY")
			.replace("CRISP_WEBSITE_ID=…", `CRISP_WEBSITE_ID=${crisp.websiteId}`)
			.replace("CRISP_IDENTIFIER=…", `CRISP_IDENTIFIER=${crisp.identifier}`)
			.replace("CRISP_KEY=…", `CRISP_KEY=${crisp.key}`)
			.replace("--port 8788", "--port 0")
			.replace("&& npx", "&& exec npx");
		const env = { PATH: path, CRISP_BASE_URL: crisp.baseUrl };
		const serve = spawn("sh", ["-ec", script], { cwd: commands.folder, env, stdio: ["ignore", "pipe", "inherit"] });
		const lines = createInterface(serve.stdout);
		const outputLines: string[] = [];
		for await (const line of lines) if (outputLines.push(line) && line.includes("listening on")) break;
		expect(outputLines.at(-1)).toMatch(/^eventferry listening on http:/);
		const ended = once(serve, "exit");
		serve.kill("SIGTERM");
		expect(await ended).toEqual([0, null]);
	});

	test("proxy in an Express app answers where it is mounted, and ends on SIGTERM", async () => {
		mkdirSync("test-results", { recursive: true });
		const listening = "app.listen(0, () => console.log(server.address().port))";
		await writeFile(
			"test-results/readme-mounted.mjs",
			blockWith('import express from "express"').replace("app.listen(3000)", listening),
		);
		const env = environment({ EVENTFERRY_STORE: `sqlite:${join(commands.folder, "mounted.db")}` }) as NodeJS.ProcessEnv;
		const app = spawn(process.execPath, ["test-results/readme-mounted.mjs"], {
			env,
			stdio: ["ignore", "pipe", "inherit"],
		});
		const [port] = await once(createInterface(app.stdout), "line");
		expect((await fetch(`http://127.0.0.1:${port}/ferry/readyz`)).status).toBe(200);
		const ended = once(app, "exit");
		app.kill("SIGTERM");
		expect(await ended).toEqual([0, null]);
	});
});
