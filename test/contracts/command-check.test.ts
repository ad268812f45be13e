import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { outcomeWords } from "../../server/command/check.ts";
import { waitForEvent } from "../../server/command/wait.ts";
import type { Fault } from "../../server/sandbox/index.ts";
import { nowhere } from "../support/answering.ts";
import { type CommandLine, commandLine, type Environment } from "../support/command.ts";
import { adminToken, batchOf, event, origin, runProxy, serverKey, writeKey } from "../support/proxy.ts";
import { postEvents } from "../support/served.ts";

let commands: CommandLine;
beforeAll(async () => {
	commands = await commandLine();
});
afterEach(() => commands.sandbox.clear());
afterAll(() => commands.stop());

/** A valid configuration with an account at each provider. */
const everywhere = (): Environment => {
	const { helpcrunch, vibetrace } = commands.sandbox.destinations;
	return {
		...commands.validEnvironment(),
		HELPCRUNCH_API_KEY: helpcrunch.apiKey,
		HELPCRUNCH_BASE_URL: helpcrunch.baseUrl,
		VIBETRACE_API_KEY: vibetrace.apiKey,
		VIBETRACE_BASE_URL: vibetrace.baseUrl,
	};
};
const live = (env: Environment, ...args: string[]) => commands.run(["check", "--live", ...args], env);

test("eventferry check repeats the warning of a running proxy that its visitors share an address", async () => {
	const running = await runProxy();
	const check = () => commands.run(["check"], { ...everywhere(), EVENTFERRY_URL: running.url });
	try {
		expect((await check()).stderr).not.toContain("EVENTFERRY_TRUST_PROXY");
		await running.post(batchOf(event()), { "x-forwarded-for": "198.51.100.1" });
		const { code, stderr } = await check();
		expect([code, stderr]).toEqual([0, expect.stringContaining("EVENTFERRY_TRUST_PROXY")]);
	} finally {
		await running.stop();
	}
});

describe("eventferry check --live", () => {
	test("sends each destination one GET, which changes nothing, and reports that all is well", async () => {
		const { code, stdout, stderr } = await live(everywhere());
		expect([code, stderr]).toEqual([0, ""]);
		for (const name of ["crisp", "helpcrunch", "vibetrace"]) expect(stdout).toMatch(`${name} accepts the credentials`);
		const gets = commands.sandbox.requests().filter(({ method }) => method === "GET");
		expect(gets.map(({ destination }) => destination).toSorted()).toEqual(["crisp", "helpcrunch", "vibetrace"]);
		for (const name of ["crisp", "helpcrunch", "vibetrace"] as const) expect(commands.sandbox.people(name)).toEqual([]);
		for (const right of ["send events", "update profiles", "update their data", "update customers"])
			expect(stdout).toContain(`may ${right}\n`);
		for (const right of ["create profiles", "create customers"])
			expect(stdout).toMatch(`not checked: may it ${right} (no request`);
	});

	test("changes nothing even at somebody who has the ids that it asks for", async () => {
		const person = { email: "ada@example.com", nickname: "Ada" };
		commands.sandbox.addPerson("crisp", person);
		const before = commands.sandbox.people("crisp");
		await live(everywhere());
		expect(commands.sandbox.people("crisp")).toEqual(before);
		const statuses = commands.sandbox.requests().flatMap(({ method, status }) => (method === "GET" ? [] : [status]));
		expect(statuses.length).toBeGreaterThan(4);
		for (const status of statuses) expect([400, 404]).toContain(status);
	});

	test("names a right that the credentials do not have", async () => {
		commands.sandbox.fault("crisp", {
			status: 403,
			body: { error: true, reason: "not_allowed" },
			method: "POST",
			path: /people\/events/,
		});
		const { code, stdout } = await live(everywhere());
		expect(code).toBe(1);
		expect(stdout).toMatch("crisp accepts the credentials");
		expect(stdout).toMatch("may not send events (not_allowed)");
		expect(stdout).toMatch("may update profiles\n");
	});

	test("names refused credentials and the variables that set them", async () => {
		const wrong = { ...everywhere(), HELPCRUNCH_API_KEY: "wr0ng-key", VIBETRACE_API_KEY: "wr0ng-key" };
		const { code, stdout, stderr } = await live(wrong);
		expect(code).toBe(1);
		expect(stdout).toMatch(/crisp accepts the credentials/);
		for (const name of ["helpcrunch", "vibetrace"]) expect(stdout).toMatch(`${name} refuses the credentials (401`);
		expect(stdout).toMatch("HELPCRUNCH_API_KEY");
		expect(stderr).toBe("eventferry: 2 destinations would not receive events\n");
		for (const secret of ["wr0ng-key", serverKey, adminToken]) expect(stdout + stderr).not.toContain(secret);
	});

	test("distinguishes a wrong Crisp website from wrong credentials", async () => {
		const { code, stdout } = await live({ ...commands.validEnvironment(), CRISP_WEBSITE_ID: "another" });
		expect(code).toBe(1);
		expect(stdout).toMatch(/takes no requests for this account \(404 not_subscribed\)/);
		expect(stdout).toContain("CRISP_WEBSITE_ID");
	});

	test.each<[string, Fault, RegExp]>([
		[
			"forbids the request",
			{ status: 403, body: { error: true, reason: "not_allowed" } },
			/forbids the request \(403 not_allowed\)/,
		],
		["has no such path", { status: 404 }, /finds nothing at this address \(404/],
		["is rate-limited", { status: 429 }, /takes no requests for now \(429/],
		["is broken", { status: 503 }, /has an error of its own \(503/],
		["is another web page", { status: 200, body: "<!doctype html>" }, /answers 200, but not as its API should/],
		["redirects", { status: 301, headers: { location: "https://elsewhere.example/" } }, /answers 301/],
		["closes the connection", { reset: true }, /cannot be reached \(network\)/],
	])("reports a destination that %s", async (_name, fault, expectedText) => {
		commands.sandbox.fault("crisp", fault);
		const { code, stdout } = await live(commands.validEnvironment());
		expect(code).toBe(1);
		expect(stdout).toMatch(expectedText);
	});

	test("reports a destination that does not answer, or not in time", async () => {
		const { stdout } = await live({ ...commands.validEnvironment(), CRISP_BASE_URL: `${await nowhere()}/v1` });
		expect(stdout).toMatch(/cannot be reached \(network\): is its address right/);
		expect(outcomeWords({ kind: "retry", reason: "timeout" })).toMatch(/did not answer in 10 s/);
		const threw = { kind: "retry", reason: "threw", message: "slack: probe threw TypeError" } as const;
		expect(outcomeWords(threw)).toBe("cannot be asked (slack: probe threw TypeError)");
	});

	test("shows no control characters from an answer", () => {
		expect(outcomeWords({ kind: "rejected", reason: "bad\u001b[2J\u202e", status: 400 })).toBe(
			"refuses the request (400 bad\ufffd)",
		);
	});

	test("prints JSON with --json, for each site of a configuration file", async () => {
		const { crisp, vibetrace } = commands.sandbox.destinations;
		const sites = [
			{ writeKey, origins: [origin], crisp },
			{ writeKey: "site_blog", origins: ["https://blog.example"], vibetrace: { ...vibetrace, apiKey: "wrong" } },
		];
		await writeFile(join(commands.folder, "two.json"), JSON.stringify({ sites }));
		const { code, stdout } = await live({}, "--config", "two.json", "--json");
		expect(code).toBe(1);
		expect(JSON.parse(stdout)).toMatchObject({
			ok: false,
			sites: [
				{ writeKey, destinations: ["crisp"], live: [{ destination: "crisp", ok: true }] },
				{ writeKey: "site_blog", live: [{ destination: "vibetrace", ok: false, status: 401 }] },
			],
		});
	});
});

describe("eventferry check --live --wait", () => {
	let proxy: Awaited<ReturnType<CommandLine["serve"]>>;
	let url: string;
	beforeEach(async () => {
		proxy = await commands.serve();
		({ url } = proxy);
	});
	afterEach(async () => {
		proxy.child.kill("SIGTERM");
		await proxy.exit;
	});

	test("waits for the first event that the running proxy delivers, and not for an earlier one", async () => {
		await postEvents(url, [event({ name: "earlier" })], serverKey);
		await commands.sandbox.until((requests) => requests.some(({ body }) => JSON.stringify(body)?.includes("earlier")));
		const stats = async () =>
			(await fetch(`${url}/admin/stats`, { headers: { authorization: `Bearer ${adminToken}` } })).json();
		await expect.poll(async () => (await stats()).destinations.crisp.delivered, { timeout: 60_000 }).toBe(1);
		const waiting = commands.start(["check", "--live", "--wait"], { ...everywhere(), EVENTFERRY_URL: url });
		let said = "";
		waiting.child.stderr?.on("data", (chunk) => {
			said += chunk;
		});
		await expect
			.poll(() => said, { timeout: 60_000 })
			.toMatch(/Open a page of yours.*\nWaiting for an event, up to 5 min …\n/);
		await postEvents(url, [event({ name: "first", person: { email: "ada@example.com" } })], serverKey);
		expect(await waiting.exit).toBe(0);
		expect(await waiting.stdout()).toMatch(
			/crisp accepts.*\nfirst of a\*\*\*@example\.com: received, delivered to (Crisp|HelpCrunch|Vibetrace)\n$/s,
		);
	});

	test("tells what was not delivered, and why, and prints JSON in the end", async () => {
		const waiting = commands.start(["check", "--live", "--wait", "--json"], {
			...commands.validEnvironment(),
			EVENTFERRY_URL: url,
		});
		let said = "";
		waiting.child.stderr?.on("data", (chunk) => {
			said += chunk;
		});
		await expect.poll(() => said, { timeout: 60_000 }).toMatch(/Waiting/);
		const refusal = { status: 400, body: { error: true, reason: "invalid_data" } };
		commands.sandbox.fault("crisp", { ...refusal, path: /events/, times: 1 });
		await postEvents(url, [{ type: "nothing" }, event({ name: "refused" })], serverKey);
		await expect
			.poll(() => said, { timeout: 60_000 })
			.toMatch(/^1 event received\n1 event refused: see the proxy's log\n/m);
		expect(said).toMatch(/^refused: Crisp refuses it \(400 invalid_data\)$/m);
		await postEvents(url, [event({ name: "taken" })], serverKey);
		expect(await waiting.exit).toBe(0);
		expect(JSON.parse(await waiting.stdout())).toMatchObject({
			ok: true,
			first: { event: "taken", destination: "crisp" },
		});
	});

	test("ends after its time, and says what to look at", async () => {
		const wait = () => waitForEvent({ url, token: adminToken, limitMs: 2_500 });
		const spy = vi.spyOn(process.stderr, "write").mockReturnValue(true);
		onTestFinished(() => void spy.mockRestore());
		await expect(wait()).rejects.toThrow(/no event arrived in 2 s: is the tag in the page/);
		commands.sandbox.fault("crisp", { status: 429, retryAfter: 600 });
		spy.mockClear();
		const waiting = expect(wait()).rejects.toThrow(/what was received was not delivered in 2 s: see eventferry stats/);
		await expect.poll(() => spy.mock.calls.join()).toMatch(/Waiting/);
		await postEvents(url, [event()], serverKey);
		await waiting;
		expect(spy.mock.calls.join()).toMatch(/Crisp has reached a limit \(429/);
	});

	test("says that no proxy answers, and that the admin token is missing", async () => {
		const { EVENTFERRY_ADMIN_TOKEN: _, ...without } = commands.validEnvironment();
		const nobody = await nowhere();
		const silent = await live({ ...without, EVENTFERRY_URL: nobody }, "--wait");
		expect([silent.code, silent.stderr]).toEqual([
			1,
			expect.stringMatching(`no proxy answers at ${nobody}: is it running\\?`),
		]);
		const closed = await live({ ...without, EVENTFERRY_URL: url }, "--wait");
		expect([closed.code, closed.stderr]).toEqual([2, expect.stringMatching(/EVENTFERRY_ADMIN_TOKEN is missing/)]);
		const alone = await commands.run(["check", "--wait"], commands.validEnvironment());
		expect([alone.code, alone.stderr]).toEqual([2, expect.stringMatching(/--wait comes after --live/)]);
	});

	test("does not wait if a destination would not receive events", async () => {
		const { code, stdout, stderr } = await live({ ...commands.validEnvironment(), CRISP_KEY: "wr0ng" }, "--wait");
		expect([code, stdout]).toEqual([1, expect.stringContaining("refuses the credentials")]);
		expect(stderr).toBe("eventferry: 1 destination would not receive events\n");
	});

	test("Ctrl-C ends it with 130", async () => {
		const waiting = commands.start(["check", "--live", "--wait"], {
			...commands.validEnvironment(),
			EVENTFERRY_URL: url,
		});
		let said = "";
		waiting.child.stderr?.on("data", (chunk) => {
			said += chunk;
		});
		await expect.poll(() => said, { timeout: 60_000 }).toMatch(/Waiting/);
		waiting.child.kill("SIGINT");
		expect(await waiting.exit).toBe(130);
		expect(said).not.toMatch(/node:|\n {4}at /);
	});
});
