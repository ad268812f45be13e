import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Sandbox } from "../../server/sandbox/index.ts";
import { type CommandLine, cli, commandLine, runHere } from "../support/command.ts";
import { adminToken, batchOf, browserAgent, event, origin, serverKey, writeKey } from "../support/proxy.ts";

let commands: CommandLine;
let folder: string;
let sandbox: Sandbox;
beforeEach(async () => {
	commands = await commandLine();
	({ folder, sandbox } = commands);
});
afterEach(() => commands.stop());
const validEnvironment = () => commands.validEnvironment();
const run: CommandLine["run"] = (...given) => commands.run(...given);
const serve: CommandLine["serve"] = (...given) => commands.serve(...given);

const send = (url: string, ...events: unknown[]) =>
	fetch(`${url}/v1/batch`, {
		method: "POST",
		headers: { origin, "user-agent": browserAgent, "content-type": "text/plain" },
		body: JSON.stringify(batchOf(...events)),
	});
const namesTaken = () =>
	sandbox
		.requests("crisp")
		.filter(({ path, status }) => path.includes("/people/events/") && status === 200)
		.map(({ body }) => (body as { text: string }).text);

/** Resolves once Crisp has answered 200 to this many events. */
const delivered = (count: number) => expect.poll(namesTaken, { timeout: 60_000, interval: 20 }).toHaveLength(count);

describe("eventferry serve", () => {
	test("prints its address in one line, delivers, and ends with 0 on SIGTERM", async () => {
		const { firstLine, url, child, exit, stdout } = await serve();
		expect(firstLine).toMatch(/^eventferry listening on http:\/\/127\.0\.0\.1:\d+$/);
		expect(url).not.toMatch(/:(0|8788)$/);
		expect((await fetch(`${url}/readyz`)).status).toBe(200);
		expect((await fetch(`${url}/nothing`)).headers.get("content-type")).toMatch(/problem\+json/);
		expect((await send(url, event({ name: "from a page" }))).status).toBe(202);
		await delivered(1);
		child.kill("SIGTERM");
		expect(await exit).toBe(0);
		expect(await stdout()).toBe(`${firstLine}\n`);
	});

	test("ends with 0 on SIGINT too", async () => {
		const { child, exit } = await serve();
		child.kill("SIGINT");
		expect(await exit).toBe(0);
	});

	test("finishes requests in flight on SIGTERM, keeps the other events, and repeats none", async () => {
		sandbox.fault("crisp", { delayMs: 500 });
		const person = { email: "ada@example.com" };
		sandbox.addPerson("crisp", person);
		const first = await serve();
		await send(first.url, event({ name: "under way", person }), event({ name: "the rest", person }));
		await sandbox.until((requests) => requests.length > 0);
		first.child.kill("SIGTERM");
		expect(await first.exit).toBe(0);
		expect(namesTaken()).toEqual(["under way"]);
		await serve();
		await delivered(2);
		expect(namesTaken()).toEqual(["under way", "the rest"]);
	});

	test("ends within the grace period although pages keep their connections open", async () => {
		const { url, child, exit } = await serve();
		const half = connect(Number(new URL(url).port), "127.0.0.1");
		half.on("error", () => {});
		half.write("POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n{");
		await send(url, event());
		const before = performance.now();
		child.kill("SIGTERM");
		expect(await exit).toBe(0);
		// The grace period is 10 s. A busy machine needs some more to end the process.
		expect(performance.now() - before).toBeLessThan(15_000);
		half.destroy();
	});

	test("delivers accepted events after kill -9, in order and once", async () => {
		const clear = sandbox.fault("crisp", { status: 503, retryAfter: 60 });
		const first = await serve();
		const person = { email: "ada@example.com" };
		const names = ["one", "two", "three"];
		const response = await send(first.url, ...names.map((name) => event({ name, person })));
		expect(await response.json()).toEqual({ accepted: 3, rejected: [] });
		first.child.kill("SIGKILL");
		expect(await first.exit).toBe("SIGKILL");
		clear();
		const second = await serve();
		await delivered(3);
		expect(namesTaken()).toEqual(names);
		second.child.kill("SIGTERM");
		expect(await second.exit).toBe(0);
		expect(namesTaken()).toEqual(names);
	});

	test("prefers --port, --host and --store to the environment", async () => {
		const store = join(folder, "other.db");
		const { url } = await serve(["--port=0", "--host", "localhost", "--store", `sqlite:${store}`], {
			...validEnvironment(),
			PORT: "1",
			HOST: "192.0.2.1",
			EVENTFERRY_STORE: "sqlite:/nowhere/at/all/x.db",
		});
		expect((await fetch(`${url}/readyz`)).status).toBe(200);
	});

	test("reads a configuration file, and finds one in the working folder", async () => {
		const { crisp } = sandbox.destinations;
		const config = {
			store: `sqlite:${join(folder, "file.db")}`,
			logLevel: "warn",
			sites: [{ writeKey, origins: [origin], crisp }],
		};
		for (const [name, args] of [
			["mine.json", ["--config", "mine.json"]],
			["eventferry.config.mjs", []],
		] as const) {
			const content = name.endsWith(".json") ? JSON.stringify(config) : `export default ${JSON.stringify(config)};`;
			await writeFile(join(folder, name), content);
			const { url, child, exit } = await serve(["--port", "0", ...args], {});
			expect((await send(url, event())).status, name).toBe(202);
			child.kill("SIGTERM");
			await exit;
		}
	});

	test("with --sandbox never delivers events that a real proxy left in the same store", async () => {
		const pause = sandbox.fault("crisp", { status: 401 });
		const real = await serve();
		await send(real.url, event({ name: "kept" }));
		await sandbox.until((requests) => requests.length > 0);
		real.child.kill();
		await real.exit;

		const trying = await serve(["--sandbox", "--port", "0"]);
		await send(trying.url, event({ name: "tried" }));
		await vi.waitFor(async () => {
			const { destinations } = await (await fetch(`${trying.url}/admin/stats`)).json();
			expect(destinations.crisp).toMatchObject({ waiting: 1, delivered: 1 });
		}, 60_000);
		trying.child.kill();
		await trying.exit;

		pause();
		await serve();
		await sandbox.until(() => namesTaken().includes("kept"));
		expect(namesTaken()).toEqual(["kept"]);
	});

	test("needs no configuration with --sandbox, and accepts events from pages on this machine", async () => {
		const { url } = await serve(["--sandbox", "--port", "0"], {
			CRISP_KEY: "real",
			VIBETRACE_BASE_URL: "https://real.example",
		});
		const page = await fetch(url);
		expect([page.status, page.headers.get("content-type")]).toEqual([200, expect.stringMatching(/^text\/html/)]);
		const key = (await page.text()).match(/data-write-key="([^"]+)"/)?.[1];
		const post = (from: string | undefined) =>
			fetch(`${url}/v1/batch`, {
				method: "POST",
				headers: { "user-agent": browserAgent, "content-type": "text/plain", ...(from && { origin: from }) },
				body: JSON.stringify({ ...batchOf(event()), writeKey: key }),
			});
		for (const from of [url, "http://localhost:5173", undefined]) expect((await post(from)).status, from).toBe(202);
		for (const from of ["https://evil.example", "http://127.0.0.1.evil.example", "null"]) {
			expect((await post(from)).status, from).toBe(403);
		}
		expect((await fetch(`${url}/admin/stats`)).status).toBe(200);
		expect((await fetch(`${url}/admin/stats`, { headers: { origin: "https://evil.example" } })).status).toBe(401);
	});

	test("fails with 1 when the port is taken, and says so", async () => {
		const holder = createServer().listen(0, "127.0.0.1");
		await once(holder, "listening");
		const address = holder.address();
		const port = typeof address === "object" && address ? String(address.port) : "";
		const { code, stdout, stderr } = await run(["serve", "--port", port], validEnvironment());
		expect([code, stdout]).toEqual([1, ""]);
		expect(stderr).toMatch(/port/);
		expect(stderr).not.toMatch(/node:internal|\n {4}at /);
		holder.close();
	});

	test.each([
		["a file in a missing folder", "sqlite:/nowhere/at/all/x.db"],
		["a folder", "sqlite:/tmp"],
		["a file that is not a database", `sqlite:${cli}`],
	])("fails with 1 when the store is %s", async (_name, store) => {
		const { code, stdout, stderr } = await run(["serve", "--port", "0", "--store", store], validEnvironment());
		expect([code, stdout]).toEqual([1, ""]);
		expect(stderr).toMatch(/store|database|sqlite/i);
		expect(stderr).not.toMatch(/node:internal|\n {4}at /);
	});

	test("fails with 1 when the store is a database that cannot be reached, and shows no password", async () => {
		const taken = createServer().listen(0, "127.0.0.1");
		await once(taken, "listening");
		const address = taken.address();
		const port = typeof address === "object" && address ? address.port : 0;
		await new Promise((closed) => taken.close(closed));
		const store = `postgres://ferry:s3cr3t@127.0.0.1:${port}/shop`;
		const { code, stdout, stderr } = await run(["serve", "--port", "0", "--store", store], validEnvironment());
		expect([code, stdout]).toEqual([1, ""]);
		expect(stderr).toMatch(/database cannot be used: .*ECONNREFUSED/);
		expect(stderr).not.toMatch(/s3cr3t|node:internal|\n {4}at /);
		const checked = await run(["check", "--store", store], validEnvironment());
		expect([checked.code, checked.stdout]).toEqual([0, expect.stringContaining("postgres://ferry:***@127.0.0.1")]);
		expect(checked.stdout + checked.stderr).not.toContain("s3cr3t");
	});

	test("fails with 1 when the store is a database whose package is not installed, and names the package", async () => {
		const hook = `import { registerHooks } from "node:module";
			registerHooks({ resolve(name, context, next) {
				if (name === "pg") throw Object.assign(new Error("none"), { code: "ERR_MODULE_NOT_FOUND" });
				return next(name, context);
			} });`;
		const env = { ...validEnvironment(), NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(hook)}` };
		const { code, stderr } = await run(["serve", "--port", "0", "--store", "postgres://db/shop"], env);
		expect([code, stderr]).toEqual([1, expect.stringContaining("npm install pg")]);
		expect((await run(["check"], env)).code).toBe(0);
	});

	test("fails with 1 on a store that another process uses, which is not disturbed", async () => {
		const { url } = await serve();
		const { code, stderr } = await run(["serve", "--port", "0"], validEnvironment());
		expect(code).toBe(1);
		expect(stderr).toMatch(/store/);
		expect((await send(url, event())).status).toBe(202);
		await delivered(1);
	});

	test("writes no secret to stderr, however much it logs", async () => {
		const env = { ...validEnvironment(), EVENTFERRY_LOG_LEVEL: "trace" };
		sandbox.fault("crisp", { status: 401, times: 1 });
		const { url, child, exit, stderr, stdout } = await serve(["--port", "0"], env);
		await send(url, event());
		await fetch(`${url}/admin/stats`, { headers: { authorization: `Bearer ${adminToken}` } });
		await sandbox.until((requests) => requests.length > 0);
		child.kill("SIGTERM");
		await exit;
		const logged = (await stderr) + (await stdout());
		const { identifier, key } = sandbox.destinations.crisp;
		const basic = Buffer.from(`${identifier}:${key}`).toString("base64");
		for (const secret of [key, basic, serverKey, adminToken]) expect(logged).not.toContain(secret);
	});
});

describe("wrong usage or configuration exits with code 2", () => {
	test.each([
		["no command", []],
		["an unknown command", ["sail"]],
		["a command of __proto__", ["__proto__"]],
		["an unknown option", ["serve", "--prot", "80"]],
		["an option without its value", ["serve", "--port"]],
		["one word too many", ["serve", "now"]],
		["an invalid port", ["serve", "--port", "http"]],
		["a port too high", ["serve", "--port", "65536"]],
		["an empty store", ["serve", "--store", ""]],
		["a store of another kind", ["serve", "--store", "redis://x"]],
		["a missing configuration file", ["serve", "--config", "nowhere.mjs"]],
		["check with an unknown option", ["check", "--dead"]],
	])("%s", async (_name, args) => {
		const { code, stdout, stderr } = await run(args, validEnvironment());
		expect([code, stdout]).toEqual([2, ""]);
		expect(stderr).toMatch(/\w/);
		expect(stderr).not.toMatch(/node:internal|\n {4}at /);
	});

	test.each([
		[["chekc"], /no command "chekc", did you mean check\? see eventferry --help/],
		[["dead-letters", "list"], /did you mean deadletters\?/],
		[["help", "sned"], /did you mean send\?/],
		[["serve", "--prot", "80"], /Unknown option '--prot', did you mean --port\? see eventferry serve --help/],
		[["send", "x", "--userid=1"], /Unknown option '--userid', did you mean --user-id\?/],
		[["stats", "-x"], /Unknown option '-x': see eventferry stats --help/],
		[["--versoin"], /Unknown option '--versoin', did you mean --version\?/],
	])("%j, with what was probably meant", async (args, printed) => {
		const { code, stdout, stderr } = await runHere(args);
		expect([code, stdout]).toEqual([2, ""]);
		expect(stderr).toMatch(printed);
	});

	test.each(["serve", "check"])("%s without a configuration reports every mistake", async (command) => {
		const { code, stdout, stderr } = await run([command]);
		expect([code, stdout]).toEqual([2, ""]);
		for (const name of ["EVENTFERRY_WRITE_KEY", "EVENTFERRY_ORIGINS"]) expect(stderr).toContain(name);
	});

	test("without showing a secret", async () => {
		const secret = "s3cr3t-\u00e9";
		const env = {
			...validEnvironment(),
			EVENTFERRY_SERVER_KEY: secret,
			CRISP_KEY: secret,
			EVENTFERRY_ADMIN_TOKEN: secret,
		};
		for (const args of [["check"], ["check", "--json"], ["serve"]]) {
			const { code, stdout, stderr } = await run(args, env);
			expect(code).toBe(2);
			expect(stdout + stderr).toContain("CRISP_KEY");
			expect(stdout + stderr).not.toContain("s3cr3t");
		}
	});
});

describe("eventferry check", () => {
	test("exits with 0 for a valid configuration, sends no request and shows no secret", async () => {
		const { code, stdout, stderr } = await run(["check"], validEnvironment());
		expect([code, stderr]).toEqual([0, ""]);
		expect(stdout).toContain(writeKey);
		for (const secret of [sandbox.destinations.crisp.key, serverKey, adminToken]) expect(stdout).not.toContain(secret);
		expect(sandbox.requests()).toEqual([]);
	});

	test("warns of a weak set-up and exits with 0, and serve logs the same", async () => {
		const weak = { ...validEnvironment(), EVENTFERRY_SERVER_KEY: "s3cr3t", EVENTFERRY_ORIGINS: "https://*.co.uk" };
		const { code, stderr } = await run(["check"], weak);
		const { child, exit, stderr: logged } = await serve(["--port", "0"], weak);
		child.kill("SIGTERM");
		expect([code, await exit]).toEqual([0, 0]);
		for (const text of [stderr, await logged]) {
			expect(text).toMatch(/EVENTFERRY_SERVER_KEY has fewer than 32 characters/);
			expect(text).toMatch(/EVENTFERRY_ORIGINS allows https:\/\/\*\.co\.uk/);
			expect(text).not.toContain("s3cr3t");
		}
	});

	test("prints JSON with --json", async () => {
		const good = await run(["check", "--json"], validEnvironment());
		expect([good.code, JSON.parse(good.stdout)]).toMatchObject([0, {}]);
		const bad = await run(["check", "--json"], { ...validEnvironment(), PORT: "http", EVENTFERRY_ORIGINS: "shop" });
		expect(bad.code).toBe(2);
		expect(JSON.stringify(JSON.parse(bad.stdout))).toMatch(/EVENTFERRY_ORIGINS/);
	});
});

describe("--help", () => {
	test("lists commands, options and variables, and exits with 0", async () => {
		const { code, stdout } = await run(["--help"]);
		expect(code).toBe(0);
		for (const word of ["serve", "check", "--port", "--store", "--sandbox", "CRISP_KEY", "_FILE", "Exit codes"])
			expect(stdout).toContain(word);
	});

	test.each(["serve", "check", "snippet", "send", "deadletters", "journal", "stats", "backup"])(
		"of %s has its options and examples, in 80 columns",
		async (name) => {
			const { code, stdout } = await runHere([name, "--help"]);
			expect(code).toBe(0);
			expect(stdout).toMatch(new RegExp(`^eventferry ${name}`));
			expect(stdout).toMatch(/Examples:\n.*eventferry/);
			expect(stdout).toMatch(/Variables, each also as NAME_FILE.*:\n.*EVENTFERRY_/);
			expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
			expect(await runHere(["help", name])).toMatchObject({ code: 0, stdout });
		},
	);

	test("of an unknown command is wrong usage", async () => {
		expect(await runHere(["sail", "--help"])).toMatchObject({ code: 2, stdout: "" });
	});
});
