import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { appendFile, mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { startSandbox } from "../../server/sandbox/index.ts";
import { launchChromium } from "../browser/chromium.ts";
import { blocksOf } from "../support/readme.ts";
import { temporaryFolder } from "../support/served.ts";

const run = promisify(execFile);
const { path: folder, remove } = temporaryFolder();
const started: ChildProcess[] = [];
afterAll(async () => {
	for (const child of started.filter(({ exitCode }) => exitCode === null)) {
		const ended = once(child, "exit");
		// The shell's whole group, as Ctrl-C would.
		process.kill(-(child.pid ?? 0), "SIGTERM");
		await ended;
	}
	remove();
});

async function freePort(): Promise<string> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return String(port);
}

/** Packs the package, and prepares an empty project whose shell is as a reader's. */
async function reader() {
	await run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder]);
	const { version } = JSON.parse(await readFile("package.json", "utf8"));
	const project = await mkdtemp(join(folder, "project-"));
	await mkdir(join(project, "page"));
	const [proxyPort, pagePort] = [await freePort(), await freePort()];
	const env = {
		HOME: folder,
		PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
		...Object.fromEntries(["audit", "fund"].map((name) => [`npm_config_${name}`, "false"])),
		npm_config_prefer_offline: "true",
		npm_config_cache: (await run("npm", ["config", "get", "cache"])).stdout.trim(),
		npm_config_registry: (await run("npm", ["config", "get", "registry"])).stdout.trim(),
		npm_config_omit: "peer",
	};
	return {
		project,
		proxyPort,
		pagePort,
		/** A text of a page with the tarball and free ports in their places. */
		ours: (text: string) =>
			text
				.replace("npm install eventferry express", `npm install ../eventferry-${version}.tgz express`)
				.replaceAll("8788", proxyPort)
				.replaceAll("8080", pagePort),
		/** Starts what stays, as in a terminal of its own. */
		start(script: string, more: Record<string, string> = {}) {
			const child = spawn("sh", ["-ec", script], {
				cwd: project,
				env: { ...env, ...more },
				detached: true,
				stdio: ["ignore", "pipe", "pipe"],
			});
			child.stderr.pipe(process.stderr);
			started.push(child);
			return child;
		},
		/** Runs what ends. Resolves to its output. */
		run: async (script: string) => (await run("sh", ["-ec", script], { cwd: project, env })).stdout,
	};
}

/** Resolves once a server answers. */
const answers = (url: string) =>
	expect
		.poll(() =>
			fetch(url).then(
				({ status }) => status,
				() => 0,
			),
		)
		.toBe(200);

test("the start page, word for word, leads from nothing to an event at each provider, and to one from a page", async () => {
	const { project, proxyPort, pagePort, ours, start, run } = await reader();
	const sandbox = await startSandbox();
	const { crisp, helpcrunch, vibetrace } = sandbox.destinations;
	const keys: Record<string, string> = {
		CRISP_WEBSITE_ID: crisp.websiteId,
		CRISP_IDENTIFIER: crisp.identifier,
		CRISP_KEY: crisp.key,
		HELPCRUNCH_API_KEY: helpcrunch.apiKey,
		VIBETRACE_API_KEY: vibetrace.apiKey,
	};
	const settings = join(project, "eventferry.env");
	const person = { email: "ada@example.com" };
	/** Commands that the first terminal runs before it starts the proxy. */
	let before = "";
	let output = "";
	const chromium = await launchChromium();
	const page = await (await chromium.visitor()).newPage();
	try {
		for (const { language, text } of blocksOf("docs/start.md")) {
			const script = ours(text);
			if (language === "html") await writeFile(join(project, "page/index.html"), script);
			else if (language === "ini") {
				// Puts the sandbox's keys where a reader puts their own.
				let lines = await readFile(settings, "utf8");
				for (const [line, name = ""] of script.matchAll(/^(\w+)=…$/gm)) {
					expect(lines).toMatch(new RegExp(`^${name}=$`, "m"));
					lines = lines.replace(new RegExp(`^${name}=$`, "m"), line.replace("…", keys[name] ?? ""));
				}
				await writeFile(settings, lines);
			} else if (script.includes("eventferry serve")) {
				const [line] = await once(createInterface(start(before + script).stdout), "line");
				expect(line).toBe(`eventferry listening on http://127.0.0.1:${proxyPort}`);
			} else if (script.includes("express.static")) start(script);
			else if (script.includes("--wait")) {
				await answers(`http://localhost:${pagePort}`);
				const waiting = start(script);
				const ended = once(waiting, "exit");
				const lines = createInterface(waiting.stdout);
				lines.on("line", (line) => {
					output += `${line}\n`;
				});
				await new Promise<void>((heard) => {
					createInterface(waiting.stderr).on("line", (line) => line.includes("Waiting for an event") && heard());
				});
				await page.goto(`http://localhost:${pagePort}`);
				expect(await ended).toEqual([0, null]);
			} else {
				if (script.includes("eventferry check")) {
					const bases = Object.entries(sandbox.destinations);
					const lines = bases.map(([name, { baseUrl }]) => `${name.toUpperCase()}_BASE_URL=${baseUrl}\n`);
					const port = `PORT=${proxyPort}\nEVENTFERRY_URL=http://127.0.0.1:${proxyPort}\n`;
					await appendFile(settings, `${lines.join("")}${port}`);
					[before = ""] = script.split(/^(?=npx)/m);
				}
				output += await run(script);
			}
		}
		expect(output).toMatch(/crisp accepts the credentials[\s\S]*helpcrunch accepts[\s\S]*vibetrace accepts/);
		expect(output).toMatch(/of a\*\*\*@example\.com: received, delivered to /);
		for (const destination of ["crisp", "helpcrunch", "vibetrace"] as const) {
			await sandbox.waitFor({ destination, person, name: "hello" });
			await sandbox.waitFor({ destination, person, name: "page opened", data: { page: "start" } });
		}

		const [, adminToken = ""] = /^EVENTFERRY_ADMIN_TOKEN=(.*)$/m.exec(await readFile(settings, "utf8")) ?? [];
		await page.goto(`http://127.0.0.1:${proxyPort}/console`);
		await page.fill("#token", adminToken);
		await page.keyboard.press("Enter");
		await page.getByText("page opened").first().waitFor();
		// The folder that the page serves has no secret in it.
		expect((await fetch(`http://localhost:${pagePort}/eventferry.env`)).status).toBe(404);
	} finally {
		await chromium.close();
		await sandbox.stop();
	}
});

test("a page of one's own is in the sandbox's console within five steps", async () => {
	const { project, proxyPort, pagePort, ours, start, run } = await reader();
	const text = readFileSync("docs/testing.md", "utf8");
	const [, section = ""] = /^## Your own page, without an account\n([\s\S]*?)^## /m.exec(text) ?? [];
	expect(section.match(/^\d\. /gm)).toHaveLength(5);
	const [, install = ""] = /^1\..*`(npm.*)`/m.exec(section) ?? [];
	await run(ours(install));
	const [serve, html, files] = blocksOf("docs/testing.md").filter((block) => section.includes(block.text));
	const [line] = await once(createInterface(start(ours(serve?.text ?? ""), { PORT: proxyPort }).stdout), "line");
	expect(line).toContain(`eventferry listening on http://127.0.0.1:${proxyPort}`);
	await writeFile(join(project, "page/index.html"), ours(html?.text ?? ""));
	start(ours(files?.text ?? ""));
	await answers(`http://localhost:${pagePort}`);
	const chromium = await launchChromium();
	try {
		const page = await (await chromium.visitor()).newPage();
		await page.goto(`http://localhost:${pagePort}`);
		const log = await (await chromium.visitor()).newPage();
		await log.goto(`http://127.0.0.1:${proxyPort}/console`);
		await log.getByText("page opened").first().waitFor();
	} finally {
		await chromium.close();
	}
});
