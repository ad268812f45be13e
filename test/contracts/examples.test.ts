import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { configVariables } from "../../server/config/config.ts";
import { nowhere } from "../support/answering.ts";
import { type CommandLine, commandLine } from "../support/command.ts";

const run = promisify(execFile);

let commands: CommandLine;
beforeAll(async () => {
	commands = await commandLine();
});
afterAll(() => commands.stop());

/** Names of the proxy's variables that a text sets. */
const variablesIn = (text: string) =>
	[...text.matchAll(/\b((?:EVENTFERRY|CRISP|HELPCRUNCH|VIBETRACE)_[A-Z_]+|HOST|PORT)=/g)].map(([, name = ""]) => name);
const known = (name: string) => configVariables.includes(name.replace(/_FILE$/, ""));

describe("examples/express", () => {
	test("mounts the proxy in an app, sends from the backend, and ends on SIGTERM", async () => {
		const shop = spawn(process.execPath, ["examples/express/server.mjs"], {
			env: { PATH: process.env.PATH, ...commands.validEnvironment(), PORT: "0" },
			stdio: ["ignore", "pipe", "inherit"],
		});
		const [line] = await once(createInterface(shop.stdout), "line");
		const url = String(line).replace("the shop is at ", "");
		const page = await (await fetch(url)).text();
		const [, script = ""] = /src="([^"]+)"/.exec(page) ?? [];
		expect((await fetch(url + script)).headers.get("content-type")).toMatch(/javascript/);
		const ordered = await fetch(`${url}/orders`, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ orderId: "A-1001", total: 99.9, email: "ada@example.com" }),
		});
		expect(ordered.status).toBe(201);
		await commands.sandbox.waitFor({ type: "confirmation", data: { orderId: "A-1001" } });
		const ended = once(shop, "exit");
		shop.kill("SIGTERM");
		expect(await ended).toEqual([0, null]);
	});
});

describe("examples/docker", () => {
	const dockerfile = readFileSync("examples/docker/Dockerfile", "utf8");
	const instruction = (name: string) =>
		[...dockerfile.matchAll(new RegExp(`^${name} (.*)$`, "gm"))].map(([, rest = ""]) => rest).at(-1) ?? "";

	test("builds in several stages, the last one without build tools, and runs as an unprivileged user", () => {
		const stages = dockerfile.split(/^FROM /m).slice(1);
		expect(stages.length).toBeGreaterThan(2);
		expect(stages.at(-1)).not.toMatch(/npm (ci|install)/);
		expect(instruction("USER")).toBe("node");
		expect(JSON.parse(instruction("ENTRYPOINT"))).toEqual(["node", "node_modules/eventferry/dist/server/cli.js"]);
		expect(JSON.parse(instruction("CMD"))).toEqual(["serve"]);
	});

	test("sets only existing variables, and a store in a writable folder", () => {
		const names = variablesIn(instruction("ENV"));
		expect(names).toContain("HOST");
		expect(names.filter((name) => !known(name))).toEqual([]);
		expect(instruction("ENV")).toContain("sqlite:/data/");
		expect(dockerfile).toMatch(/mkdir \/data && chown node:node \/data.*USER node/s);
	});

	test("has a health check that fails if the proxy does not answer", async () => {
		const [, command = "[]"] = /CMD (\[.*\])$/.exec(instruction("HEALTHCHECK")) ?? [];
		const [, ...args]: string[] = JSON.parse(command);
		const healthy = (url: string) =>
			run(process.execPath, args, { env: { PORT: new URL(url).port } }).then(
				() => true,
				({ code }) => (code === 1 ? false : code),
			);
		const { url } = await commands.serve();
		expect([await healthy(url), await healthy(await nowhere())]).toEqual([true, false]);
	});
});

describe("examples/systemd", () => {
	const path = "examples/systemd/eventferry.service";

	test.skipIf(!existsSync("/usr/bin/systemd-analyze"))("is a valid unit of systemd", async () => {
		const { stdout, stderr } = await run("systemd-analyze", ["verify", path]);
		expect(stdout + stderr).toBe("");
	});

	test("sets only existing variables, and starts the package's command with its secrets in files", async () => {
		const unit = await readFile(path, "utf8");
		expect(variablesIn(unit).filter((name) => !known(name))).toEqual([]);
		const { bin } = JSON.parse(await readFile("package.json", "utf8"));
		expect(unit).toMatch(
			`ExecStart=/usr/bin/env node /opt/eventferry/node_modules/eventferry/${bin.eventferry} serve\n`,
		);
		const secrets = await Promise.all(
			[...unit.matchAll(/^Environment=(\w+_FILE)=%d\/(.+)$/gm)].map(async ([, name = "", file = ""]) => {
				const content = commands.validEnvironment()[name.replace(/_FILE$/, "")] ?? "";
				await writeFile(join(commands.folder, file), content);
				return [name, join(commands.folder, file)] as const;
			}),
		);
		expect(secrets.length).toBeGreaterThan(2);
		const without = Object.fromEntries(secrets.map(([name]) => [name.replace(/_FILE$/, ""), undefined]));
		const env = { ...commands.validEnvironment(), ...without, ...Object.fromEntries(secrets) };
		expect(await commands.run(["check", "--live"], env)).toMatchObject({ code: 0, stderr: "" });
	});
});
