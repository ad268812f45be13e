import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { configVariables } from "../../server/config/config.ts";
import { problemStatuses } from "../../server/http/problem.ts";
import { type CommandLine, cli, commandLine, type Environment } from "../support/command.ts";
import { blocksOf, blockWith, pageFiles } from "../support/readme.ts";

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

/** Each block of code of a page, by its beginning, with the test that runs or checks it, or the example that it shows. */
const covered: Record<string, [start: string, where: string][]> = {
	"README.md": [
		["npm ci && npm start", "CI, test/browser/shop.test.ts"],
		["npm install eventferry express", "test/package/package.test.ts"],
		["npx eventferry init", "here"],
		["<script>window.eventferry = window", "test/browser/recipes.test.ts"],
		['import { createTracker } from "eventferry"', "test/browser/recipes.test.ts"],
		["curl https://shop.example/ferry/v1/events", "here"],
		['import express from "express"', "here"],
	],
	"docs/start.md": [["", "test/package/start.test.ts, in their order"]],
	"docs/browser.md": [
		["<script>window.eventferry = window", "the README's"],
		["<script>window.eventferryConfig", "test/browser/script-tag.test.ts"],
		["<script>window.eventferry=window", "test/contracts/command-snippet.test.ts"],
		['<script async src="/assets/eventferry.js"', "test/browser/script-tag.test.ts"],
		['import { createTracker } from "eventferry"', "test/browser/recipes.test.ts"],
		["<TrackerProvider", "test/unit/client/react.test.ts, test/browser/recipes.test.ts"],
		["import { createTracker, type Tracker }", "examples/vue/tracker.ts"],
		['"use client"', "examples/next/app/tracking.tsx"],
		["/** Rewrites /ferry", "examples/next/next.config.mjs"],
		["import { signIdentity }", "test/contracts/identity.test.ts"],
		["tracker.login({ token })", "test/contracts/identity.test.ts"],
		["<script>\n  // Wherever your consent tool", "test/browser/recipes.test.ts"],
		['import type { ScriptTag } from "eventferry"', "test/package/package.test.ts"],
	],
	"docs/server.md": [
		["export EVENTFERRY_WRITE_KEY", "here"],
		['import express from "express"', "here"],
		["location /ferry/", "not run: there is no nginx in the tests"],
		["handle_path /ferry/", "not run: there is no Caddy in the tests"],
		["# compose.yaml", "its variables here; not run: there is no container engine in the tests"],
		["cp eventferry.service", "not run: systemd does not start it; test/contracts/examples.test.ts has the unit"],
		["npm install pg", "test/contracts/command.test.ts"],
		["await proxy.track(", "test/contracts/http.test.ts"],
		["curl https://shop.example/ferry/v1/events", "here"],
		["import { signOpenUrl }", "test/contracts/inbound.test.ts"],
	],
	"docs/providers.md": [
		["// in a site", "test/contracts/create-people.test.ts"],
		["import { createCrisp }", "test/contracts/crisp-events.test.ts"],
		["import { defineDestination }", "test/unit/readme.test.ts"],
	],
	"docs/configuration.md": [["// eventferry.config.mjs", "test/unit/readme.test.ts"]],
	"docs/troubleshooting.md": [["curl http://127.0.0.1:8788/admin/search", "below"]],
	"docs/operating.md": [
		["curl http://127.0.0.1:8788/readyz", "here"],
		["curl -X POST http://127.0.0.1:8788/admin/destinations", "test/contracts/admin.test.ts"],
		["eventferry backup", "test/contracts/backup.test.ts"],
		["cd /var/lib/eventferry", "test/contracts/backup.test.ts, without systemd"],
		["# prometheus.yml", "not run: there is no Prometheus in the tests"],
		["eventferry deadletters list", "here"],
		["// eventferry.config.mjs", "test/unit/readme.test.ts"],
	],
	"docs/privacy.md": [["curl https://shop.example/ferry/v1/people", "here"]],
	"docs/testing.md": [
		["npx eventferry serve --sandbox", "test/package/start.test.ts"],
		["<!doctype html>", "test/package/start.test.ts"],
		["node -e", "test/package/start.test.ts"],
		['import { createProxy } from "eventferry/server"', "test/package/readme.test.ts"],
	],
	"docs/runtimes.md": [["node --experimental-vm-modules", "not run: Jest is not among the tests"]],
	"docs/rules.md": [["", "test/contracts/rules-page.test.ts"]],
	"docs/destinations.md": [["", "test/package/destinations.test.ts"]],
	"docs/segment.md": [["import", "test/contracts/segment-libraries.test.ts, in other words"]],
	"docs/crisp.md": [["", "test/contracts/crisp-client.test.ts, crisp-events.test.ts, in other words"]],
	"docs/scale.md": [["", "test/unit/outbox/postgres, in other words"]],
	"docs/migrating.md": [["", "test/browser/adopt.test.ts, adopt-segment.test.ts, in other words"]],
	"docs/google-tag-manager.md": [["", "test/browser/recipes.test.ts, by examples/google-tag-manager"]],
	"docs/api.md": [["", "written from the types"]],
	"docs/http.md": [["", "written from the schemas"]],
	"docs/command.md": [["", "written by the command"]],
};

describe("the pages'", () => {
	test.each(pageFiles)("blocks of code, in %s, are each run, or checked, by a test", (page) => {
		const unclaimed = blocksOf(page).filter(({ text }) => !covered[page]?.some(([start]) => text.startsWith(start)));
		expect(unclaimed).toEqual([]);
	});

	test("examples are those of examples/", () => {
		const shown = Object.entries(covered).flatMap(([page, all]) =>
			all.filter(([, where]) => where.startsWith("examples/")).map(([start, file]) => ({ page, start, file })),
		);
		expect(shown.length).toBeGreaterThan(2);
		for (const { page, start, file } of shown) expect(blockWith(start, page)).toBe(readFileSync(file, "utf8"));
	});

	test("variables exist", () => {
		const unknown = pageFiles
			.flatMap(blocksOf)
			.flatMap(({ page, text }) =>
				[...text.matchAll(/\b((?:EVENTFERRY|CRISP|HELPCRUNCH|VIBETRACE)_[A-Z_]+)\b/g)].map(([, name = ""]) => [
					page,
					name,
				]),
			)
			.filter(([, name = ""]) => !configVariables.includes(name.replace(/_FILE$/, "")));
		expect(unknown).toEqual([]);
		const listed = readFileSync("docs/configuration.md", "utf8");
		expect(configVariables.filter((name) => !listed.includes(`\`${name}\``))).toEqual([]);
	});

	test("readers find every code of a problem, and every warning of /readyz", () => {
		const explained = (page: string, codes: string[]) => {
			const text = readFileSync(page, "utf8");
			return codes.filter((code) => !text.includes(`\`${code}\``));
		};
		expect(explained("docs/troubleshooting.md", Object.keys(problemStatuses))).toEqual([]);
		const router = readFileSync("server/router.ts", "utf8");
		const warnings = [...router.matchAll(/code: z\.literal\("(\w+)"\)/g)].map(([, code = ""]) => code);
		expect(warnings.length).toBeGreaterThan(5);
		expect(explained("docs/operating.md", warnings)).toEqual([]);
	});

	test("commands work as described", async () => {
		await shell("eventferry send invoice:paid '{\"total\": 12}' --email ada@example.com");
		await commands.sandbox.waitFor({ name: "invoice:paid", data: { total: 12 } });
		const clear = commands.sandbox.fault("crisp", {
			status: 400,
			times: 1,
			body: { error: true, reason: "invalid_data" },
		});
		await shell("eventferry send invoice:lost --email ada@example.com");
		await expect.poll(async () => (await shell("eventferry deadletters list")).stdout).toContain("invoice:lo");
		clear();
		const local = (script: string) => script.replaceAll("http://127.0.0.1:8788", url);
		await shell(local(blockWith("curl http://127.0.0.1:8788/readyz", "docs/operating.md")));
		const search = blockWith("curl http://127.0.0.1:8788/admin/search", "docs/troubleshooting.md");
		const { journeys } = JSON.parse((await shell(local(search))).stdout);
		expect(journeys[0].deliveries[0].state).toEqual(expect.any(String));
		const shown = blockWith("eventferry deadletters list", "docs/operating.md");
		const { stdout } = await shell("eventferry deadletters list --json");
		await shell(shown.replace("show 12", `show ${JSON.parse(stdout).items[0].id}`).replace(/^.* discard .*$/m, ""));
	});

	test("requests from a backend get the answers that they show", async () => {
		for (const page of ["README.md", "docs/server.md"]) {
			const sent = blockWith("curl https://shop.example/ferry/v1/events", page);
			const [, answer = ""] = /^# (.*)$/m.exec(sent) ?? [];
			expect((await shell(here(sent))).stdout).toBe(answer);
		}
		const { stdout } = await shell(here(blockWith("curl https://shop.example/ferry/v1/people", "docs/privacy.md")));
		expect(JSON.parse(stdout)).toMatchObject({ destinations: { crisp: { profile: expect.any(String) } } });
	});

	/** Resolves once a script's proxy listens; then stops it, as its operator would. */
	async function startsAndStops(script: string, cwd: string): Promise<void> {
		const env = { PATH: path, CRISP_BASE_URL: commands.sandbox.destinations.crisp.baseUrl };
		const serve = spawn("sh", ["-ec", script], { cwd, env, stdio: ["ignore", "pipe", "inherit"] });
		const outputLines: string[] = [];
		for await (const line of createInterface(serve.stdout))
			if (outputLines.push(line) && line.includes("listening on")) break;
		expect(outputLines.at(-1)).toMatch(/^eventferry listening on http:/);
		const ended = once(serve, "exit");
		serve.kill("SIGTERM");
		expect(await ended).toEqual([0, null]);
	}
	/** A script with the sandbox's keys in place of a reader's own. */
	const withKeys = (script: string) => {
		const { websiteId, identifier, key } = commands.sandbox.destinations.crisp;
		return script
			.replace("CRISP_WEBSITE_ID=…", `CRISP_WEBSITE_ID=${websiteId}`)
			.replace("CRISP_IDENTIFIER=…", `CRISP_IDENTIFIER=${identifier}`)
			.replace("CRISP_KEY=…", `CRISP_KEY=${key}`);
	};

	test("proxy of its own, in docs/server.md, starts with the variables that it names", async () => {
		const script = withKeys(blockWith("export EVENTFERRY_WRITE_KEY", "docs/server.md"));
		await startsAndStops(script.replace("--port 8788", "--port 0").replace("&& npx", "&& exec npx"), commands.folder);
	});

	test("proxy of its own, in the README, starts with the file that init has written", async () => {
		const folder = join(commands.folder, "new");
		await mkdir(folder);
		const [init = "", rest = ""] = blockWith("npx eventferry init").split(/^# Put your keys.*$/m);
		const { stdout } = await run("sh", ["-ec", init], { cwd: folder, env: { PATH: path } });
		expect(stdout).toContain('data-write-key="site_shop"');
		const file = join(folder, "eventferry.env");
		const written = await readFile(file, "utf8");
		await writeFile(file, withKeys(written.replaceAll(/^(CRISP_\w+)=$/gm, "$1=…")));
		await startsAndStops(
			rest.replace("eventferry serve", "eventferry serve --port 0").replace("&& npx", "&& exec npx"),
			folder,
		);
	});

	test("proxy in an Express app sends from the backend, in the README", async () => {
		mkdirSync("test-results", { recursive: true });
		const app = blockWith('import express from "express"').replace(
			"app.listen(3000);",
			'app.listen(0); process.on("SIGTERM", () => proxy.stop().then(() => process.exit(0)));',
		);
		await writeFile("test-results/readme-mounted.mjs", `${app}\nconsole.log("sent");`);
		const env = environment({ EVENTFERRY_STORE: `sqlite:${join(commands.folder, "readme.db")}` }) as NodeJS.ProcessEnv;
		const child = spawn(process.execPath, ["test-results/readme-mounted.mjs"], {
			env,
			stdio: ["ignore", "pipe", "inherit"],
		});
		await once(createInterface(child.stdout), "line");
		const ended = once(child, "exit");
		child.kill("SIGTERM");
		expect(await ended).toEqual([0, null]);
	});

	test("proxy in an Express app answers where it is mounted, and ends on SIGTERM", async () => {
		mkdirSync("test-results", { recursive: true });
		const listening = "app.listen(0, () => console.log(server.address().port))";
		await writeFile(
			"test-results/server-mounted.mjs",
			blockWith('import express from "express"', "docs/server.md").replace("app.listen(3000)", listening),
		);
		const env = environment({ EVENTFERRY_STORE: `sqlite:${join(commands.folder, "mounted.db")}` }) as NodeJS.ProcessEnv;
		const app = spawn(process.execPath, ["test-results/server-mounted.mjs"], {
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
