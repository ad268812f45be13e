import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { outcomeWords } from "../../server/command/check.ts";
import type { Fault } from "../../server/sandbox/index.ts";
import { nowhere } from "../support/answering.ts";
import { type CommandLine, commandLine, type Environment } from "../support/command.ts";
import { adminToken, batchOf, event, origin, runProxy, serverKey, writeKey } from "../support/proxy.ts";

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
