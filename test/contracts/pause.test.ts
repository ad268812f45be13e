import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import { statsSchema } from "../../shared/admin.ts";
import { runHere } from "../support/command.ts";
import { type Cluster, startPostgres } from "../support/postgres.ts";
import { adminToken, event, origin, problemOf, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";
import { delivered, environment, postEvents, type Served, serve, track } from "../support/served.ts";

const post = { method: "POST" };
const json = async (response: Response | Promise<Response>) => (await response).json();
const patience = { timeout: 30_000, interval: 20 };

describe("a destination that an operator pauses", () => {
	let running: RunningProxy;
	afterEach(() => running.stop());
	const stats = async () => statsSchema.parse(await json(running.admin("/stats"))).destinations;
	const readiness = async () => {
		const response = await fetch(`${running.url}/readyz`);
		return [response.status, (await response.json()).destinations];
	};
	const crispRequests = () => running.sandbox.requests("crisp").length;
	const order = (verb: string, name = "crisp") => running.admin(`/destinations/${name}/${verb}`, post);
	/** Sends an event to all destinations; resolves once HelpCrunch has it. */
	async function send(person: { email: string }): Promise<void> {
		running.sandbox.addPerson("helpcrunch", person);
		running.sandbox.addPerson("crisp", person);
		await running.batch(event({ person }));
		const hasIt = () => running.sandbox.people("helpcrunch").find(({ email }) => email === person.email)?.events.length;
		await running.sandbox.until(() => hasIt() === 1);
	}

	test("gets no request, loses nothing and counts no attempt, over a restart, until it is resumed", async () => {
		running = await runProxy({ site: ({ helpcrunch }) => ({ helpcrunch }) });
		expect(await json(order("pause"))).toEqual({ destination: "crisp", state: "paused" });
		expect(await json(order("pause"))).toEqual({ destination: "crisp", state: "paused" });
		expect(await readiness()).toEqual([200, { crisp: "paused", helpcrunch: "running" }]);
		await send({ email: "ada@example.com" });
		await running.proxy.stop();
		await running.proxy.start();
		await send({ email: "bob@example.com" });
		await vi.waitFor(async () => expect(await readiness()).toEqual([200, { crisp: "paused", helpcrunch: "running" }]));
		const { crisp } = await stats();
		expect(crisp).toMatchObject({ state: "paused", reason: "operator", waiting: 2, dead: 0 });
		expect([crisp?.until, Math.abs(Date.now() - (crisp?.pausedAt ?? 0)) < 60_000]).toEqual([undefined, true]);
		expect(crispRequests()).toBe(0);
		const told = await runHere(["stats", "--url", running.url], { EVENTFERRY_ADMIN_TOKEN: adminToken });
		expect(told.stdout).toMatch(/^crisp was paused by an operator at [\d-]+ [\d:]+ UTC$/m);
		expect(await json(order("resume"))).toEqual({ destination: "crisp", state: "running" });
		expect(await json(order("resume"))).toEqual({ destination: "crisp", state: "running" });
		await running.settled(2);
		expect(await stats()).toMatchObject({ crisp: { delivered: 2, dead: 0, state: "running" } });
		expect((await stats()).crisp?.pausedAt).toBeUndefined();
		expect(await readiness()).toEqual([200, { crisp: "running", helpcrunch: "running" }]);
	});

	test("may be one of several sites, which all pause, and a function of the operator's own", async () => {
		const sent: string[] = [];
		const own = {
			async send({ id }: { id: string }) {
				sent.push(id);
				return { kind: "delivered" } as const;
			},
		};
		running = await runProxy({
			site: ({ helpcrunch }) => ({ helpcrunch, destinations: { own } }),
			others: ({ vibetrace }) => [{ writeKey: "other", origins: [origin], vibetrace, destinations: { own } }],
		});
		expect(await json(order("pause", "own"))).toEqual({ destination: "own", state: "paused" });
		await send({ email: "ada@example.com" });
		await running.post({ writeKey: "other", sentAt: Date.now(), events: [event()] });
		await running.sandbox.until((requests) => requests.some(({ destination }) => destination === "vibetrace"));
		expect([(await stats()).own, sent]).toMatchObject([{ state: "paused", waiting: 2 }, []]);
		await order("resume", "own");
		await running.settled(2);
		expect(sent).toHaveLength(2);
	});

	test("is known to be paused after a restart with an empty budget", async () => {
		running = await runProxy({ site: ({ crisp }) => ({ crisp: { ...crisp, budget: 1 } }) });
		running.sandbox.addPerson("crisp", { email: "ada@example.com" });
		await running.batch(event({ person: { email: "ada@example.com" } }), event());
		await running.sandbox.until((requests) => requests.length === 1);
		await order("pause");
		await running.proxy.stop();
		await running.proxy.start();
		await vi.waitFor(async () => expect(await readiness()).toEqual([200, { crisp: "paused" }]), patience);
	});

	test("that paused by itself is tried at once when it is resumed", async () => {
		running = await runProxy();
		running.sandbox.addPerson("crisp", { email: "ada@example.com" });
		const clear = running.sandbox.fault("crisp", { status: 401, body: { error: true, reason: "invalid_session" } });
		await running.batch(event({ person: { email: "ada@example.com" } }));
		await vi.waitFor(async () => expect((await stats()).crisp).toMatchObject({ state: "paused" }), patience);
		clear();
		await order("resume");
		await vi.waitFor(async () => expect((await stats()).crisp).toMatchObject({ delivered: 1 }), {
			timeout: 20_000,
			interval: 20,
		});
	});

	test("goes on after an answer that came during the pause, whatever it was", async () => {
		running = await runProxy();
		for (const answer of [{ status: 401 }, { status: 503 }, { status: 429, retryAfter: 1 }]) {
			const person = { email: `${crypto.randomUUID()}@example.com` };
			running.sandbox.addPerson("crisp", person);
			const clear = running.sandbox.fault("crisp", { ...answer, delayMs: 300, times: 1 });
			const before = crispRequests();
			await running.batch(event({ person }));
			await running.sandbox.until((requests) => requests.length > before);
			await order("pause");
			await running.sandbox.until((requests) => requests[before]?.status === answer.status);
			await order("resume");
			clear();
			await vi.waitFor(async () => expect((await stats()).crisp).toMatchObject({ waiting: 0, dead: 0 }), {
				timeout: 30_000,
				interval: 20,
			});
		}
	});

	test("is not asked to delete a person's profile, and the answer says why", async () => {
		running = await runProxy();
		await order("pause");
		const response = await fetch(`${running.url}/v1/people`, {
			method: "DELETE",
			headers: { "content-type": "application/json", authorization: `Bearer ${serverKey}` },
			body: JSON.stringify({ email: "ada@example.com" }),
		});
		expect((await response.json()).destinations.crisp).toMatchObject({ profile: "failed", reason: "operator" });
		expect(crispRequests()).toBe(0);
	});

	test("must be one of a site's, and the operator must have the token", async () => {
		running = await runProxy();
		for (const name of ["nobody", "helpcrunch", "%20", "%ff", "__proto__"]) {
			const response = await order("pause", name);
			expect([name, response.status, (await problemOf(response)).code]).toEqual([name, 404, "not_found"]);
		}
		const stranger = await fetch(`${running.url}/admin/destinations/crisp/pause`, post);
		expect([stranger.status, (await problemOf(stranger)).code]).toEqual([401, "invalid_admin_token"]);
		expect((await running.admin("/destinations/crisp/pause")).status).toBe(405);
		await running.proxy.stop();
		const stopped = await order("pause");
		expect([stopped.status, (await problemOf(stopped)).code]).toEqual([503, "store_unavailable"]);
		await running.proxy.start();
		expect(await readiness()).toEqual([200, { crisp: "running" }]);
	});
});

describe("with two proxies on one PostgreSQL", () => {
	let cluster: Cluster;
	let sandbox: Sandbox;
	let proxies: Served[] = [];
	beforeAll(async () => {
		cluster = await startPostgres();
		sandbox = await startSandbox();
	});
	afterAll(async () => {
		await Promise.all(proxies.map((proxy) => proxy.stop()));
		await sandbox.stop();
		await cluster.stop();
	});

	test("a pause holds both, is told by both, survives them, and is logged once, without the token", async () => {
		const env = { ...environment(sandbox), EVENTFERRY_STORE: await cluster.database() };
		const start = async () => {
			proxies = [await serve(env), await serve(env)];
		};
		const order = async (index: number, verb: string) => {
			const headers = { Authorization: "Bearer admin-token" };
			const url = `${proxies[index]?.url}/admin/destinations/crisp/${verb}`;
			expect((await fetch(url, { ...post, headers })).status).toBe(200);
		};
		const state = (expected: string) =>
			vi.waitFor(async () => {
				const all = await Promise.all(proxies.map(({ url }) => json(fetch(`${url}/readyz`))));
				expect(all.map(({ destinations }) => destinations.crisp)).toEqual([expected, expected]);
			}, patience);
		const send = async (index: number) => {
			const person = { email: `${crypto.randomUUID()}@example.com` };
			for (const name of ["crisp", "vibetrace"] as const) sandbox.addPerson(name, person);
			await postEvents(proxies[index]?.url ?? "", [track("x", { person })]);
			await sandbox.waitFor({ destination: "vibetrace", person });
		};
		await start();
		await order(0, "pause");
		await state("paused");
		const logs = proxies.map((proxy) =>
			proxy
				.output()
				.split("\n")
				.filter((line) => line.includes("operator")),
		);
		expect([logs[0]?.length, logs[1]?.length]).toEqual([1, 0]);
		expect(JSON.parse(logs[0]?.[0] ?? "")).toMatchObject({ destination: "crisp", level: 40 });
		await send(1);
		await Promise.all(proxies.map((proxy) => proxy.stop()));
		await start();
		await state("paused");
		for (const index of [0, 1]) await send(index);
		expect(sandbox.requests("crisp")).toEqual([]);
		await order(1, "resume");
		await state("running");
		await delivered(proxies[0]?.url ?? "");
		expect(sandbox.requests("crisp").map(({ status }) => status)).toEqual([200, 200, 200]);
		expect(proxies.map((proxy) => proxy.output().includes("admin-token"))).toEqual([false, false]);
	});
});
