import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import type { EventFunction } from "../../server/destinations/destination.ts";
import { defineDestination } from "../../server/index.ts";
import { type DestinationTestError, testDestination } from "../../server/sandbox/index.ts";
import { temporaryFolder } from "../support/served.ts";

const url = "https://hooks.example/in";
const post = (body: unknown) => ({ method: "POST", body: JSON.stringify(body) });

async function problemsOf(destination: Parameters<typeof testDestination>[0]): Promise<string[]> {
	const error: DestinationTestError = await testDestination(destination).then(
		(checks) => Promise.reject(new Error(JSON.stringify(checks))),
		(thrown) => thrown,
	);
	expect(error.name).toBe("DestinationTestError");
	return error.checks.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`));
}

describe("testDestination", () => {
	test("passes functions that do right", async () => {
		const checks = await testDestination(
			defineDestination({ send: (event, { fetch }) => fetch(url, post(event)), probe: ({ fetch }) => fetch(url) }),
		);
		expect(Object.fromEntries(checks.map(({ name, result }) => [name, result]))).toEqual({
			...{ delivers: "passed", order: "passed", repeats: "passed", "429": "passed", "500": "passed" },
			...{ network: "passed", timeout: "passed", probe: "passed", remove: "skipped" },
		});
		const planned = defineDestination({
			plan: ([{ event }], known) => ({
				kind: "send",
				request: { purpose: "event", method: "POST", path: [], body: { id: event.id }, ifDelivered: { at: 1 } },
				settles: known.at ? 1 : 0,
				covers: 1,
			}),
			send: (request, { fetch }) => fetch(url, post(request.body)),
		});
		expect(await testDestination(planned)).toHaveLength(9);
		for (const status of [404, 410]) {
			const send: EventFunction["send"] = (event, { fetch }) => fetch(url, post(event));
			const checks = await testDestination(defineDestination({ send, remove: () => new Response(null, { status }) }));
			expect(checks.find(({ name }) => name === "remove")?.result).toBe("passed");
		}
		const local = await testDestination({ batch: 5, send: () => ({ kind: "delivered", known: { n: 1 } }) });
		expect(local.filter(({ result }) => result === "skipped")).toHaveLength(6);
	});

	test("takes a response of another library", async () => {
		const send = defineDestination({
			async send(event, { fetch }) {
				const { status, headers } = await fetch(url, post(event));
				return { status, headers } as Response;
			},
		});
		expect(await testDestination(send)).toContainEqual({ name: "429", result: "passed", problems: [] });
	});

	test("answers as a service does whose answer the function reads", async () => {
		const destination = defineDestination({
			events: ["checkout:*"],
			async send(event, { fetch, known }) {
				const response = await fetch(url, post(event.type === "track" && event.name));
				if (!response.ok) return response;
				const { id } = (await response.json()) as { id: number };
				return id === 7 ? { kind: "delivered", known: { ...known, id } } : { kind: "rejected" };
			},
		});
		const names: string[] = [];
		await testDestination(destination, {
			async answer(request) {
				names.push(await request.text());
				return Response.json({ id: 7 });
			},
		});
		expect(names[0]).toBe('"checkout:any"');
	});

	test.each<[string, Parameters<typeof testDestination>[0], RegExp[]]>([
		[
			"returns nothing",
			{ send: (event: unknown, { fetch }: { fetch: typeof globalThis.fetch }) => void fetch(url, post(event)) },
			[/^delivers: send is wrong: it returned nothing/, /^order: send ends before its requests are answered/],
		],
		[
			"says delivered whatever comes",
			defineDestination({
				async send(event, { fetch }) {
					await fetch(url, post(event)).catch(() => {});
					return { kind: "delivered" };
				},
			}),
			[
				/^429: send says delivered after a 429: the event would be lost/,
				/^500: send says delivered after a 500/,
				/^network: send says delivered after a failing network/,
				/^timeout: send says delivered after no answer/,
			],
		],
		[
			"throws at every refusal",
			defineDestination({
				async send(event, { fetch }) {
					const response = await fetch(url, post(event));
					if (!response.ok) throw new Error(`status ${response.status}`);
					return response;
				},
			}),
			[/^429: send threw Error: status 429 after a 429 with Retry-After: return the response/],
		],
		[
			"makes dead letters of failures",
			defineDestination({
				async send(event, { fetch }) {
					const response = await fetch(url, post(event));
					return response.ok ? response : { kind: "rejected", reason: "no" };
				},
			}),
			[
				/^429: send says rejected \(no\)/,
				/^500: send says rejected \(no\) after a 500: the event would be a dead letter at once/,
			],
		],
		[
			"says why by what is no text",
			{ send: () => ({ kind: "delivered", reason: 5 }) },
			[/^delivers: send is wrong: reason must be text/],
		],
		[
			"waits for a text",
			{ send: () => ({ kind: "wait", retryAfter: "7" }) },
			[/^delivers: send is wrong: retryAfter must be a number of seconds/],
		],
		[
			"remembers a date",
			{ send: () => ({ kind: "delivered", known: new Date() }) },
			[/^delivers: send is wrong: known must be a JSON object/],
		],
		[
			"throws what cannot be read",
			{
				send() {
					throw Object.assign(new Error(), { name: Symbol("x") });
				},
			},
			[/^delivers: send threw an error that cannot be read/],
		],
		[
			"plans nothing",
			{ plan: () => undefined, send: () => ({ kind: "delivered" }) },
			[/^delivers: send is wrong: plan returned no plan/],
		],
		["never ends", { send: () => new Promise(() => {}) }, [/^delivers: send does not end/]],
		[
			"remembers too much",
			{ send: () => ({ kind: "delivered", known: { x: "x".repeat(10_000) } }) },
			[/^delivers: send is wrong: known is 10008 bytes of JSON, more than 8192/],
		],
		[
			"blocks the loop",
			{
				events: ["login"],
				send() {
					for (const end = performance.now() + 1_100; performance.now() < end; );
					return { kind: "delivered" };
				},
			},
			[/^delivers: send blocks the event loop for \d+ ms/],
		],
		[
			"makes a new key for a repeat",
			defineDestination({
				send: (event, { fetch }) => fetch(url, { ...post(event), headers: { "Idempotency-Key": crypto.randomUUID() } }),
			}),
			[/^repeats: send gives the same event another idempotency key/],
		],
		[
			"refuses repeats",
			(() => {
				const seen = new Set();
				return defineDestination({
					send: (event) =>
						seen.size === seen.add(event.id).size ? { kind: "rejected", reason: "seen" } : { kind: "delivered" },
				});
			})(),
			[/^repeats: send says rejected \(seen\) to an event that it was sent before/],
		],
		[
			"probes wrongly",
			defineDestination({ send: () => ({ kind: "delivered" }), probe: () => ({ kind: "paused" }) }),
			[/^probe: probe says paused to its request/],
		],
		[
			"plans without an end",
			defineDestination({
				plan: () => ({
					kind: "send",
					request: { purpose: "x", method: "GET", path: [], ifDelivered: {} },
					settles: 0,
					covers: 1,
				}),
				send: () => ({ kind: "delivered" }),
			}),
			[/^delivers: send is wrong: it sent 16 requests for one event/],
		],
	])("finds out a function that %s", { timeout: 20_000 }, async (_what, destination, problems) => {
		const found = await problemsOf(destination);
		for (const problem of problems) expect(found).toContainEqual(expect.stringMatching(problem));
	});

	test("refuses what is no function", async () => {
		await expect(testDestination({ url } as never)).rejects.toThrow(TypeError);
	});

	test("prints what is wrong in node:test", async () => {
		const folder = temporaryFolder();
		const file = join(folder.path, "slack.test.mjs");
		await writeFile(
			file,
			`import { test } from "node:test";
			import { testDestination } from ${JSON.stringify(resolve("server/sandbox/index.ts"))};
			const send = (event, { fetch }) => fetch(${JSON.stringify(url)}, { method: "POST", body: event.id });
			test("right", () => testDestination({ send }));
			test("wrong", () => testDestination({ send: async (...all) => { await send(...all); return { kind: "delivered" }; } }));`,
		);
		const { NODE_TEST_CONTEXT: _, ...env } = process.env;
		const { stdout } = await promisify(execFile)(process.execPath, ["--test", "--test-reporter=tap", file], {
			env,
		}).catch((failed) => failed);
		expect(stdout).toMatch(/^ok 1 - right/m);
		expect(stdout).toMatch(/^not ok 2 - wrong/m);
		expect(stdout).toMatch(/500: send says delivered after a 500: the event would be lost/);
		folder.remove();
	});
});
