import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { adminToken, event, origin, type RunningProxy, runProxy, serverKey, writeKey } from "../support/proxy.ts";

const alerts = readFileSync("examples/alerts.yml", "utf8");
const dashboard: {
	panels: { targets: { expr: string; legendFormat: string }[] }[];
	templating: { list: { query: unknown }[] };
} = JSON.parse(readFileSync("examples/grafana.json", "utf8"));

describe("GET /metrics", () => {
	let running: RunningProxy;
	afterEach(() => running.stop());

	const text = async () => (await fetch(`${running.url}/metrics`)).text();
	/** Resolves to the value of a series with these labels. */
	async function value(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
		for (const line of (await text()).split("\n")) {
			const [, series, inner = "", number] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
			const found = Object.fromEntries([...inner.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, each]) => [key, each]));
			const isIt =
				series === `eventferry_${name}` && Object.entries(labels).every(([key, each]) => found[key] === each);
			if (isIt) return Number(number);
		}
		return undefined;
	}
	const ofCrisp = { site: "shop.example", destination: "crisp" };

	it("answers in Prometheus' text format, without a token, even while the store is closed", async () => {
		running = await runProxy({ start: false });
		const response = await fetch(`${running.url}/metrics`);
		expect(response.status).toBe(200);
		expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
		expect(await value("store_up")).toBe(0);
		await running.proxy.start();
		await vi.waitFor(async () => expect(await value("store_up")).toBe(1), { timeout: 60_000 });
		expect((await fetch(`${running.url}/metrics`, { method: "POST" })).status).toBe(405);
	});

	it("counts events that were accepted, repeated or from bots, and rejections and refusals by code", async () => {
		running = await runProxy();
		const good = event();
		await running.batch(good, event(), { id: "x" });
		await running.batch(good);
		await running.post({ writeKey, sentAt: Date.now(), events: [event()] }, { "user-agent": "Googlebot/2.1" });
		await running.post({ writeKey: "another", sentAt: Date.now(), events: [] });
		await running.settled(3);
		await vi.waitFor(async () => expect(await value("events_duplicate_total", { reason: "duplicate" })).toBe(1), {
			timeout: 60_000,
		});
		expect(await value("events_accepted_total", { site: "shop.example" })).toBe(3);
		expect(await value("events_rejected_total", { code: "invalid_event" })).toBe(1);
		expect(await value("events_from_bots_total")).toBe(1);
		expect(await value("requests_refused_total", { code: "invalid_write_key" })).toBe(1);
		expect(await value("ingest_duration_seconds_count", { route: "/v1/batch", status: "202" })).toBe(3);
		expect(await value("commit_duration_seconds_count")).toBe(2);
	});

	it("counts requests by outcome, retries, deliveries, and requests per delivered event", async () => {
		running = await runProxy();
		const person = { email: "ada@example.com" };
		running.sandbox.addPerson("crisp", person);
		running.sandbox.fault("crisp", { status: 503, times: 1 });
		await running.batch(event({ person }), event({ person }));
		await running.settled(2);
		await vi.waitFor(async () => expect(await value("delivered_total", ofCrisp)).toBe(2), { timeout: 60_000 });
		expect(await value("provider_requests_total", { ...ofCrisp, outcome: "delivered" })).toBe(2);
		expect(await value("provider_requests_total", { ...ofCrisp, outcome: "retry" })).toBe(1);
		expect(await value("retries_total", ofCrisp)).toBe(1);
		expect(await value("requests_per_delivered_event", ofCrisp)).toBe(1.5);
		expect(await value("provider_request_duration_seconds_count", { destination: "crisp" })).toBe(3);
	});

	it("counts dead letters, and shows how many are kept", async () => {
		running = await runProxy();
		running.sandbox.fault("crisp", { status: 400, body: { error: true, reason: "invalid_data" }, times: 1 });
		await running.batch(event());
		await running.settled(1);
		await vi.waitFor(async () => expect(await value("dead_letters", ofCrisp)).toBe(1), { timeout: 60_000 });
		expect(await value("dead_letters_total", ofCrisp)).toBe(1);
	});

	it("shows waiting people, the longest wait, the rest of the budget, and the state of a destination", async () => {
		running = await runProxy();
		running.sandbox.fault("crisp", { status: 401, body: { error: true, reason: "invalid_session" } });
		await running.batch(event(), event());
		await vi.waitFor(async () => expect(await value("destination_state", { ...ofCrisp, state: "paused" })).toBe(1), {
			timeout: 60_000,
		});
		await vi.waitFor(async () => expect(await value("lanes_waiting", ofCrisp)).toBe(2), { timeout: 60_000 });
		expect(await value("destination_state", { ...ofCrisp, state: "running" })).toBe(0);
		expect(await value("deliveries_waiting", ofCrisp)).toBe(2);
		expect(await value("oldest_waiting_seconds", ofCrisp)).toBeGreaterThan(0);
		expect(await value("budget_limit", ofCrisp)).toBe(10_000);
		// Ten requests are taken from the day's budget in advance.
		expect(await value("budget_left", ofCrisp)).toBe(9_990);
		expect(await value("store_bytes")).toBeGreaterThan(0);
	});

	it("holds no write key, secret, person or event, whatever was sent", async () => {
		running = await runProxy();
		await running.batch(event({ name: "secret name", person: { email: "ada@example.com", userId: "u-77" } }), {
			id: "x",
		});
		await running.post({ writeKey: "evil-key", sentAt: 0, events: [] });
		await fetch(`${running.url}/v1/ada@example.com?key=abc`);
		await fetch(`${running.url}/admin/ada@example.com`);
		await running.settled(1);
		const all = await text();
		for (const hidden of [writeKey, serverKey, adminToken, "ada", "u-77", "secret name", "evil-key", "abc", origin])
			expect(all).not.toContain(hidden);
		expect(all).toContain(`destination="crisp"`);
	});

	it("gives many simultaneous requests the same answer", async () => {
		running = await runProxy();
		const all = await Promise.all(Array.from({ length: 50 }, text));
		expect(new Set(all.map((each) => each.split("\n").length)).size).toBe(1);
	});

	it("has every metric and label in the example dashboard", async () => {
		running = await runProxy();
		const repeated = event();
		await running.batch(repeated, event(), { id: "x" });
		await running.batch(repeated);
		await running.settled(2);
		await vi.waitFor(async () => expect(await text()).toMatch(/duplicate_total\{reason/), { timeout: 60_000 });
		const shown = await text();
		const metrics = new Set([...shown.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name));
		const labels = new Set([...shown.matchAll(/[{,](\w+)="/g)].map(([, name]) => name));
		const targets = dashboard.panels.flatMap((panel) => panel.targets);
		const asked = [...targets.map(({ expr }) => expr), JSON.stringify(dashboard.templating.list)].join("\n");
		const askedMetrics = [...asked.matchAll(/\beventferry_\w+/g)].map(([name]) => name.replace(/_bucket$/, ""));
		expect(new Set(askedMetrics).size).toBeGreaterThan(20);
		expect(askedMetrics.filter((name) => !metrics.has(name))).toEqual([]);
		const grouped = (expr: string) =>
			[...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(", "));
		const selected = [...asked.matchAll(/[{,](\w+)=~?"/g)].map(([, name = ""]) => name);
		const used = [...targets.flatMap(({ expr }) => grouped(expr)), ...selected];
		expect(new Set(used).size).toBeGreaterThan(6);
		expect(used.filter((name) => !labels.has(name))).toEqual([]);
		// A legend can only name what its query keeps.
		for (const { expr, legendFormat } of targets)
			for (const [, name = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(grouped(expr), expr).toContain(name);
	});

	it("has every metric in the example alerts, and two proxies in one process share none", async () => {
		running = await runProxy();
		const other = await runProxy();
		await running.batch(event());
		await running.settled(1);
		const named = new Set([...alerts.matchAll(/\beventferry_\w+/g)].map(([name]) => name.replace(/_bucket$/, "")));
		const known = new Set([...(await text()).matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name));
		expect(named.size).toBeGreaterThan(10);
		expect([...named].filter((name) => !known.has(name))).toEqual([]);
		expect(await (await fetch(`${other.url}/metrics`)).text()).toContain(
			'eventferry_delivered_total{site="shop.example",destination="crisp"} 0',
		);
		await other.stop();
	});
});

describe("a request's id", () => {
	let running: RunningProxy;
	afterEach(() => running.stop());

	it("is returned as X-Request-Id: the sender's own if it is a simple one, else a new one", async () => {
		running = await runProxy();
		const idOf = async (given?: string) =>
			(await running.post({}, { "x-request-id": given })).headers.get("x-request-id");
		expect(await idOf("abc-1.2")).toBe("abc-1.2");
		const fresh = await idOf();
		expect(fresh).toMatch(/^[\da-f-]{36}$/);
		expect(await idOf()).not.toBe(fresh);
		expect(await idOf("a b\t<script>")).toMatch(/^[\da-f-]{36}$/);
		expect(await idOf("x".repeat(65))).toMatch(/^[\da-f-]{36}$/);
	});

	it("is not added to answers of the surrounding app", async () => {
		running = await runProxy();
		const response = await fetch(`${running.url}/elsewhere`);
		expect([response.status, response.headers.get("x-request-id")]).toEqual([404, null]);
	});
});
