import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { defineDestination, type OwnDestination } from "../../server/index.ts";
import type { Event } from "../../shared/event.ts";
import { listen } from "../bench/listen.ts";
import { runHere } from "../support/command.ts";
import { type Cluster, startPostgres } from "../support/postgres.ts";
import { event, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";
import { postEvents, serve, stats, temporaryFolder, track } from "../support/served.ts";

let running: RunningProxy | undefined;
const closing: (() => void)[] = [];
afterEach(async () => {
	await running?.stop();
	running = undefined;
	for (const close of closing.splice(0)) close();
});

/** Runs a proxy that delivers to these destinations and, beside them, to Crisp. */
async function run(destinations: Record<string, OwnDestination>): Promise<RunningProxy> {
	running = await runProxy({ site: { destinations } });
	return running;
}

async function letters({ admin }: RunningProxy, destination: string) {
	const answer = await admin(`/deadletters?destination=${destination}`);
	const { items } = (await answer.json()) as {
		items: { reason: string; message?: string; status?: number; event: Event }[];
	};
	return items;
}

async function state({ admin }: RunningProxy, destination: string) {
	const { destinations } = (await (await admin("/stats")).json()) as {
		destinations: Record<string, { state: string; waiting: number; delivered: number; dead: number; reason?: string }>;
	};
	return destinations[destination];
}

/** Starts a server that answers each request as told. */
async function server(answer: (body: string) => [status: number, body?: string, headers?: Record<string, string>]) {
	const received: { body: string; headers: NodeJS.Dict<string | string[]> }[] = [];
	const http = createServer(async (request, response) => {
		let body = "";
		for await (const chunk of request) body += chunk;
		received.push({ body, headers: request.headers });
		const [status, text, headers = {}] = answer(body);
		response.writeHead(status, headers).end(text);
	});
	const url = await listen(http);
	closing.push(() => {
		http.closeAllConnections();
		http.close();
	});
	return { url, received };
}

test("an instance of a class keeps its private fields", async () => {
	const sent: string[] = [];
	class Own {
		#add = (type: string) => sent.push(type);
		send({ type }: Event) {
			this.#add(type);
			return { kind: "delivered" } as const;
		}
	}
	const proxy = await run({ own: new Own() });
	await proxy.batch(event());
	await proxy.settled(1);
	expect(sent).toEqual(["track"]);
});

const of = (email: string, changes: object = {}) => event({ person: { email }, ...changes });

describe("a function destination", () => {
	test("gets a person's events one by one, in order, and its response is what they become", async () => {
		const { url, received } = await server((body) => (body.includes("bad") ? [422, "no such product"] : [200]));
		const proxy = await run({
			slack: defineDestination({
				send: (each, { fetch }) =>
					fetch(url, { method: "POST", body: JSON.stringify([each.id, each.type === "track" && each.name]) }),
			}),
		});
		const events = ["one", "bad", "three"].map((name) => of("ada@example.com", { name }));
		await proxy.batch(...events);
		await proxy.settled(3);
		expect(received.map(({ body }) => JSON.parse(body))).toEqual(events.map(({ id, name }) => [id, name]));
		expect(await state(proxy, "slack")).toMatchObject({ delivered: 2, dead: 1, state: "running" });
		expect(await letters(proxy, "slack")).toMatchObject([
			{ reason: "http_422", status: 422, message: "no such product", event: { id: events[1]?.id } },
		]);
		expect(await state(proxy, "crisp")).toMatchObject({ delivered: 3 });
	});

	test("remembers what it says of a person, and gets up to `batch` of their events", async () => {
		const calls: [string[], unknown][] = [];
		let open = () => {};
		const opened = new Promise<void>((resolve) => {
			open = resolve;
		});
		const proxy = await run({
			crm: defineDestination({
				batch: 2,
				async send(events, { known }) {
					await opened;
					calls.push([events.map((each) => each.id), known]);
					return { kind: "delivered", known: { count: Number(known.count ?? 0) + events.length } };
				},
			}),
		});
		const [a, b, c] = [of("ada@example.com"), of("ada@example.com"), of("ada@example.com")];
		await proxy.batch(a, b, c);
		await proxy.batch(of("bob@example.com"));
		open();
		await proxy.settled(4);
		expect(calls.filter(([ids]) => ids.includes(a.id) || ids.includes(c.id))).toEqual([
			[[a.id, b.id], {}],
			[[c.id], { count: 2 }],
		]);
		expect(await state(proxy, "crm")).toMatchObject({ delivered: 4, dead: 0 });
	});

	test.each<[string, () => unknown, { reason: string; message: string }]>([
		[
			"nothing",
			() => undefined,
			{
				reason: "invalid_answer",
				message: "own: send is wrong: it returned nothing: return a Response or { kind: … }",
			},
		],
		[
			"a text",
			() => "ok",
			{
				reason: "invalid_answer",
				message: "own: send is wrong: it returned a string: return a Response or { kind: … }",
			},
		],
		[
			"an unknown kind",
			() => ({ kind: "sent" }),
			{
				reason: "invalid_answer",
				message: 'own: send is wrong: kind must be "delivered", "retry", "wait", "rejected" or "paused"',
			},
		],
		[
			"100 MB to remember",
			() => ({ kind: "delivered", known: { x: "x".repeat(100_000_000) } }),
			{ reason: "invalid_answer", message: "own: send is wrong: known is 100000008 bytes of JSON, more than 8192" },
		],
		[
			"what is not JSON",
			() => ({ kind: "delivered", known: { x: 1n } }),
			{
				reason: "invalid_answer",
				message: "own: send is wrong: known must be a JSON object, without cycles and BigInts",
			},
		],
		["a refusal", () => ({ kind: "rejected", reason: "not\nours" }), { reason: "not ours" } as never],
		[
			"a redirect",
			() => new Response(null, { status: 302, headers: { location: "https://elsewhere.example" } }),
			{ reason: "http_302" } as never,
		],
	])("that returns %s makes a dead letter that says so, and Crisp gets the event", async (_what, answer, letter) => {
		const proxy = await run({ own: { send: answer } as unknown as OwnDestination });
		await proxy.batch(of("ada@example.com"));
		await proxy.settled(1);
		expect(await letters(proxy, "own")).toMatchObject([letter]);
		expect(await state(proxy, "crisp")).toMatchObject({ delivered: 1, dead: 0 });
	});

	test("cannot change the event, nor what is remembered, by changing its copies", async () => {
		const seen: unknown[] = [];
		const proxy = await run({
			own: {
				send(each, { known }) {
					seen.push([each.person.email, { ...known }]);
					each.person.email = "eve@example.com";
					known.changed = true;
					return seen.length === 1 ? { kind: "retry" } : { kind: "delivered" };
				},
			},
		});
		await proxy.batch(of("ada@example.com"));
		await proxy.settled(1);
		expect(seen).toEqual([
			["ada@example.com", {}],
			["ada@example.com", {}],
		]);
	});

	test("that throws is tried again", async () => {
		let calls = 0;
		const proxy = await run({
			own: {
				send() {
					calls += 1;
					if (calls === 1) throw new TypeError("boom");
					return { kind: "delivered" };
				},
			},
		});
		await proxy.batch(of("ada@example.com"));
		await proxy.settled(1);
		expect([calls, await state(proxy, "own")]).toMatchObject([2, { delivered: 1 }]);
	});

	test("that waits for a limit as long as it says is sent nothing meanwhile", async () => {
		const at: number[] = [];
		const proxy = await run({
			own: {
				send() {
					at.push(performance.now());
					return at.length === 1
						? new Response(null, { status: 429, headers: { "retry-after": "1" } })
						: { kind: "delivered" };
				},
			},
		});
		await proxy.batch(of("ada@example.com"));
		await proxy.batch(of("bob@example.com"));
		await vi.waitFor(async () => expect(await state(proxy, "own")).toMatchObject({ delivered: 2 }), {
			timeout: 10_000,
		});
		expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThan(900);
	});

	test("without a probe counts a refusal against the event, and pauses after three people in a row", async () => {
		const refused = new Set(["a@example.com", "b@example.com"]);
		const proxy = await run({
			own: { send: (each) => new Response(null, { status: refused.has(each.person.email ?? "") ? 401 : 200 }) },
		});
		await proxy.batch(of("a@example.com"));
		await proxy.batch(of("b@example.com"));
		await proxy.batch(of("c@example.com"));
		await vi.waitFor(async () => expect(await state(proxy, "own")).toMatchObject({ delivered: 1, state: "running" }));
		refused.add("d@example.com").add("e@example.com").add("f@example.com");
		for (const name of ["d", "e", "f"]) await proxy.batch(of(`${name}@example.com`));
		await vi.waitFor(
			async () => expect(await state(proxy, "own")).toMatchObject({ state: "paused", reason: "http_401", dead: 0 }),
			{ timeout: 10_000 },
		);
		expect((await (await fetch(`${proxy.url}/readyz`)).json()) as unknown).toMatchObject({
			destinations: { own: "paused", crisp: "running" },
		});
		await vi.waitFor(async () => expect(await state(proxy, "crisp")).toMatchObject({ delivered: 6 }), {
			timeout: 10_000,
		});
	});

	test("with a probe is asked by it whether a refusal is of the event alone", async () => {
		let probes = 0;
		const proxy = await run({
			own: {
				send: (each) => new Response(null, { status: each.person.email === "eve@example.com" ? 403 : 200 }),
				probe() {
					probes += 1;
					return { kind: "delivered" };
				},
			},
		});
		await proxy.batch(of("eve@example.com"));
		await proxy.batch(of("bob@example.com"));
		await vi.waitFor(async () => expect(await state(proxy, "own")).toMatchObject({ delivered: 1, state: "running" }));
		await vi.waitFor(() => expect(probes).toBeGreaterThan(0));
	});

	test("forgets a person, with what it remembered of them", async () => {
		const removed: unknown[] = [];
		const proxy = await run({
			own: {
				send: () => ({ kind: "delivered", known: { contact: 7 } }),
				remove(person, { known }) {
					removed.push([person, known]);
					return new Response(null, { status: 204 });
				},
			},
			other: { send: () => ({ kind: "delivered" }) },
		});
		await proxy.batch(of("ada@example.com"));
		await proxy.settled(1);
		const answer = await fetch(`${proxy.url}/v1/people`, {
			method: "DELETE",
			headers: { authorization: `Bearer ${serverKey}`, "content-type": "application/json" },
			body: JSON.stringify({ email: "ada@example.com" }),
		});
		expect(await answer.json()).toMatchObject({
			destinations: { own: { profile: "deleted" }, other: { profile: "not_supported" } },
		});
		expect(removed).toEqual([[{ email: "ada@example.com" }, { contact: 7 }]]);
	});

	test("plans its requests itself in the advanced form", async () => {
		const sent: string[] = [];
		const proxy = await run({
			own: defineDestination({
				plan: ([{ event: first }], known) => ({
					kind: "send",
					request: known.id
						? { purpose: "event", method: "POST", path: [String(known.id)], body: { id: first.id }, ifDelivered: known }
						: { purpose: "lookup", method: "GET", path: [], ifDelivered: {} },
					settles: known.id ? 1 : 0,
					covers: 1,
				}),
				send({ purpose, path }) {
					sent.push([purpose, ...path].join(" "));
					return purpose === "lookup" ? { kind: "delivered", known: { id: 7 } } : new Response(null, { status: 202 });
				},
			}),
		});
		await proxy.batch(of("ada@example.com"));
		await proxy.settled(1);
		await proxy.batch(of("ada@example.com"));
		await proxy.settled(2);
		expect(sent).toEqual(["lookup", "event 7", "event 7"]);
	});

	test.each([
		[
			"throws",
			() => {
				throw new Error("no key sk_live_abcdefgh1234 for https://u:p@x.example/secret?t=1");
			},
			"own: plan threw Error: no key *** for https://x.example/…",
		],
		["is no plan", () => "now", "own: plan returned no plan"],
		["covers more than there is", () => ({ kind: "done", settles: 2 }), "own: plan is wrong: there are 1 events only"],
	])("whose plan %s makes a dead letter that says so", async (_what, plan, message) => {
		const proxy = await run({ own: { plan, send: () => ({ kind: "delivered" }) } as unknown as OwnDestination });
		await proxy.batch(of("ada@example.com"));
		await proxy.settled(1);
		expect(await letters(proxy, "own")).toMatchObject([{ reason: "invalid_plan", message }]);
	});

	test("gets page views and other types only where `events` lists them", async () => {
		const types: string[] = [];
		const proxy = await run({
			own: {
				events: ["page", "confirmation"],
				send(each) {
					types.push(each.type);
					return { kind: "delivered" };
				},
			},
		});
		const person = { email: "ada@example.com" };
		await proxy.batch(event({ person }), event({ person, type: "page", name: undefined }));
		await proxy.settled(2);
		expect(types).toEqual(["page"]);
	});
});

describe("a faulty function", () => {
	test("that never ends, or blocks the loop, is named in the log, and others get their events meanwhile", async () => {
		const folder = temporaryFolder();
		const { url, received } = await server(() => [200]);
		const config = join(folder.path, "shop.config.mjs");
		await writeFile(
			config,
			`const block = (ms) => { for (const end = performance.now() + ms; performance.now() < end; ); };
			export default {
				port: 0, store: "sqlite:${folder.path}/store.db", adminToken: "admin-token",
				sites: [{ writeKey: "site_test", origins: ["https://shop.example"], serverKey: "server-key", destinations: {
					hangs: { send: () => new Promise(() => {}) },
					blocks: { send() { block(1500); return { kind: "delivered" }; } },
					later: { async send() { await null; block(1500); return { kind: "delivered" }; } },
					careless: {
						send() {
							setTimeout(() => { throw new Error("later") }, 10);
							setTimeout(() => { throw Object.assign(new Error("later"), { name: Symbol("odd") }) }, 10);
							void (async () => { await null; throw new Error("floating"); })();
							return { kind: "delivered" };
						},
					},
					throws: { send() { throw new TypeError("of ada@example.com"); } },
					forgetful: { send(event, { fetch }) { void fetch("http://127.0.0.1:1"); } },
					good: { send: (event, { fetch }) => fetch(${JSON.stringify(url)}, { method: "POST", body: event.id }) },
				} }],
			};`,
		);
		const served = await serve({ PATH: process.env.PATH ?? "" }, ["--config", config]);
		const people = ["ada@example.com", "bob@example.com"];
		await postEvents(
			served.url,
			people.map((email) => track("played", { person: { email } })),
		);
		await vi.waitFor(() => expect(received).toHaveLength(2), { timeout: 15_000 });
		const logged = () =>
			served
				.output()
				.split("\n")
				.filter((line) => line.includes("blocked the event loop"));
		await vi.waitFor(() => expect(logged().join("\n")).toMatch(/"destinations":\["blocks"\]/), { timeout: 15_000 });
		await vi.waitFor(
			async () =>
				expect((await stats(served.url)).destinations).toMatchObject({
					hangs: { waiting: 2, delivered: 0, dead: 0 },
					blocks: { delivered: 2 },
					later: { delivered: 2 },
					forgetful: { dead: 2 },
					good: { delivered: 2 },
				}),
			{ timeout: 15_000 },
		);
		expect(logged().join("\n")).toMatch(/"later"/);
		expect(served.output()).toMatch(/"destination":"throws","error":"TypeError at shop\.config\.mjs:\d+"/);
		expect(served.output()).not.toContain("of ada");
		const left = served
			.output()
			.match(/"destination":"careless","error":"Error at shop\.config\.mjs:\d+","msg":".*nobody handled/g);
		expect(left).toHaveLength(4);
		expect(served.output()).toMatch(/"destination":"careless","error":"an error that cannot be read"/);
		expect(await served.stop()).toBe(0);
		folder.remove();
	});

	test("that heeds no signal is given up after 10 s, and tried again", { timeout: 40_000 }, async () => {
		let calls = 0;
		const proxy = await run({
			own: {
				send() {
					calls += 1;
					return calls === 1 ? new Promise<never>(() => {}) : { kind: "delivered" };
				},
			},
		});
		await proxy.batch(of("ada@example.com"));
		await vi.waitFor(async () => expect(await state(proxy, "own")).toMatchObject({ delivered: 1 }), {
			timeout: 20_000,
		});
		expect(calls).toBe(2);
	});

	test.each([
		["has no end", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"],
		["breaks off", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"],
		["has a status text of many letters", "HTTP/1.1 200 成功\r\ncontent-length: 0\r\n\r\n"],
	])("has delivered an event by a 200 that %s", { timeout: 40_000 }, async (_what, answer) => {
		const receiver = createTcpServer((socket) => {
			socket.on("error", () => {});
			socket.on("data", () => socket.write(answer));
		});
		const url = await listen(receiver as never);
		closing.push(() => receiver.close());
		const proxy = await run({
			plain: { send: (each, { fetch }) => fetch(url, { method: "POST", body: each.id }) },
			whole: { send: (_each, { fetch }) => fetch(new Request(url)) },
			address: { url },
		});
		await proxy.batch(of("ada@example.com"));
		const { destinations } = await proxy.settled(1);
		for (const name of ["plain", "whole", "address"])
			expect(destinations[name]).toMatchObject({ delivered: 1, dead: 0, requests: 1 });
	});

	test("reads 64 KB of an answer at most, and follows no redirect", async () => {
		const { url } = await server((body) =>
			body === "large" ? [200, "x".repeat(65_537)] : [302, "", { location: "https://elsewhere.example" }],
		);
		const seen: unknown[] = [];
		const proxy = await run({
			own: {
				async send(_event, { fetch }) {
					const large = await fetch(url, { method: "POST", body: "large" });
					seen.push(large.status, await large.text().catch((error) => error.message));
					seen.push((await fetch(url)).status);
					return { kind: "delivered" };
				},
			},
		});
		await proxy.batch(of("ada@example.com"));
		await proxy.settled(1);
		expect(seen).toEqual([200, "the answer is longer than 65536 bytes, or packed, or broken off", 302]);
	});
});

describe("a proxy that shares its store with another one", () => {
	let cluster: Cluster;
	beforeAll(async () => {
		cluster = await startPostgres();
	});
	afterAll(() => cluster.stop());

	test("leaves a destination alone that only the other one has, and says so", { timeout: 60_000 }, async () => {
		const folder = temporaryFolder();
		const { url, received } = await server(() => [200]);
		const store = await cluster.database();
		const start = async (file: string, destinations: string) => {
			const config = join(folder.path, file);
			await writeFile(
				config,
				`let calls = 0;
				export default { port: 0, store: ${JSON.stringify(store)}, adminToken: "admin-token", sites: [{
					writeKey: "site_test", origins: ["https://shop.example"], serverKey: "server-key", destinations: ${destinations},
				}] };`,
			);
			return serve({ PATH: process.env.PATH ?? "" }, ["--config", config]);
		};
		const post = `(event, { fetch }) => fetch(${JSON.stringify(url)}, { method: "POST", body: event.name })`;
		const first = await start("first.mjs", `{ late: { send: () => ({ kind: "wait", retryAfter: 3600 }) } }`);
		await postEvents(first.url, [track("early")]);
		await vi.waitFor(async () => expect((await stats(first.url)).destinations.late.waiting).toBe(1), {
			timeout: 15_000,
		});
		const other = await start("other.mjs", `{ other: { send: ${post} } }`);
		await vi.waitFor(
			() => expect(other.output()).toMatch(/"destination":"late","waiting":1,.*this proxy does not have/),
			{
				timeout: 15_000,
			},
		);
		expect(await (await fetch(`${other.url}/readyz`)).json()).toMatchObject({
			destinations: { other: "running" },
			warnings: [{ code: "destination_missing", destination: "late", waiting: 1 }],
		});
		await postEvents(other.url, [track("other")]);
		await vi.waitFor(() => expect(received.map(({ body }) => body)).toEqual(["other"]), { timeout: 15_000 });
		expect((await stats(first.url)).destinations.late).toMatchObject({ waiting: 1, dead: 0 });
		expect([await first.stop(), await other.stop()]).toEqual([0, 0]);
		folder.remove();
	});
});

describe("the command", () => {
	test("checks, lists and replays destinations of one's own by name", { timeout: 60_000 }, async () => {
		const folder = temporaryFolder();
		const config = join(folder.path, "shop.config.mjs");
		const { url } = await server(() => [204]);
		await writeFile(
			config,
			`let isFixed = false;
			export default {
				port: 0, store: "sqlite:${folder.path}/store.db", adminToken: "admin-token",
				sites: [{ writeKey: "site_test", origins: ["https://shop.example"], serverKey: "server-key", destinations: {
					refuses: { send: () => ({ kind: isFixed ? "delivered" : (isFixed = true, "rejected"), reason: "once" }) },
					probed: { send: () => ({ kind: "delivered" }), probe: ({ fetch }) => fetch(${JSON.stringify(url)}) },
					wrong: { send: () => ({ kind: "delivered" }), probe: () => new Response(null, { status: 401 }) },
				} }],
			};`,
		);
		const checked = await runHere(["check", "--live", "--config", config]);
		expect(checked.code).toBe(1);
		expect(checked.stdout).toMatch(/refuses is not checked: it has no probe/);
		expect(checked.stdout).toMatch(/probed accepts the credentials/);
		expect(checked.stdout).toMatch(/wrong refuses the credentials \(401 http_401\).*\n +see destinations\.wrong/);
		const served = await serve({ PATH: process.env.PATH ?? "" }, ["--config", config]);
		const keys = { EVENTFERRY_URL: served.url, EVENTFERRY_ADMIN_TOKEN: "admin-token" };
		await postEvents(served.url, [track("played")]);
		const dead = async () => (await stats(served.url)).destinations.refuses.dead;
		await vi.waitFor(async () => expect(await dead()).toBe(1), { timeout: 15_000 });
		const listed = await runHere(["deadletters", "list", "--destination", "refuses"], keys);
		expect(listed).toMatchObject({
			code: 0,
			stdout: expect.stringMatching(/refuses .* once +ada@example\.com +played/),
		});
		const wrong = await runHere(["deadletters", "list", "--destination", "refused"], keys);
		expect(wrong.stderr).toMatch(/no destination "refused", only crisp, helpcrunch, vibetrace, refuses, probed, wrong/);
		const replayed = await runHere(["deadletters", "replay", "--destination", "refuses"], keys);
		expect(replayed).toMatchObject({ code: 0, stdout: "replayed 1 dead letter\n" });
		await vi.waitFor(
			async () => expect((await stats(served.url)).destinations.refuses).toMatchObject({ delivered: 1, dead: 0 }),
			{ timeout: 15_000 },
		);
		const metrics = await (await fetch(`${served.url}/metrics`)).text();
		expect(metrics).toMatch(/eventferry_delivered_total\{site="shop\.example",destination="refuses"\} 1/);
		expect(await served.stop()).toBe(0);
		folder.remove();
	});
});
