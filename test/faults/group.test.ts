import { type ChildProcess, spawn } from "node:child_process";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import { type Cluster, startPostgres } from "../support/postgres.ts";
import { delivered, environment, postEvents, type Served, serve, track } from "../support/served.ts";
import { arrivalsAt, crispEnvironment, rounds } from "./connections.ts";
import { type Relay, startRelay } from "./relay.ts";

const [ada, bob] = ["ada@lock.example", "bob@lock.example"];
/** Number of times that a process is frozen; the nightly form has 20. */
const tries = Math.max(2, Math.floor(rounds / 5));
/** Maximum delay of others' events, ms. */
const longest = 15_000;

let cluster: Cluster;
beforeAll(async () => {
	cluster = await startPostgres();
});
afterAll(() => cluster.stop());

let sandbox: Sandbox;
let url: string;
let name: string;
let arrived: ReadonlyMap<string, string[]>;
let proxies: Served[];
let relay: Relay;
beforeEach(async () => {
	sandbox = await startSandbox({ limits: { crispPerDay: 1_000_000, helpcrunchPerMinute: 100_000 } });
	for (const email of [ada, bob]) sandbox.addPerson("crisp", { email });
	arrived = arrivalsAt(sandbox, [ada, bob]);
	url = await cluster.database();
	name = url.slice(url.lastIndexOf("/") + 1);
	relay = await startRelay(cluster.port);
	proxies = [];
});
afterEach(async () => {
	for (const { process } of proxies) process.kill("SIGCONT");
	await Promise.all(proxies.map((proxy) => proxy.kill()));
	await relay.stop();
	await sandbox.stop();
});

/** Starts a proxy on the database, whose sessions have the application name `app`. */
async function start(app: string, port = cluster.port): Promise<Served> {
	const store = Object.assign(new URL(url), { port: String(port), search: `?application_name=${app}` }).href;
	const proxy = await serve({ ...crispEnvironment(sandbox, ""), EVENTFERRY_STORE: store });
	proxies.push(proxy);
	return proxy;
}
const post = (proxy: Served, event: string, email = ada, more = {}) =>
	postEvents(proxy.url, [track(event, { person: { email }, ...more })]);
const arrival = (event: string, email = ada) =>
	vi.waitFor(() => expect(arrived.get(email)).toContain(event), { timeout: 60_000, interval: 20 });
/** Lists the sessions of an application, and whether they hold the lock of fan-out. */
const sessions = (app: string, where = "true") =>
	cluster.run(
		`SELECT state, wait_event, EXISTS (
			SELECT FROM pg_locks WHERE pg_locks.pid = activity.pid AND locktype = 'advisory' AND granted
		) AS is_holder, query FROM pg_stat_activity AS activity
		WHERE datname = '${name}' AND application_name = '${app}' AND ${where}`,
		name,
	);
const holders = async (app: string) => (await sessions(app)).filter(({ is_holder }) => is_holder === true);

describe("a process frozen under the lock of fan-out", () => {
	/** Freezes a proxy between two of its statements under the lock; returns a function that lets it go on. */
	async function freezeProxy(frozen: Served): Promise<() => void> {
		for (let batch = 0; ; batch += 1) {
			const posting = post(frozen, `${batch}`, bob).catch(() => {});
			for (let looks = 0; looks < 50; looks += 1) {
				if ((await holders("frozen")).length === 0) continue;
				frozen.process.kill("SIGSTOP");
				// Wait until the statement under way, if any, has ended.
				const [holder] = await holders("frozen");
				if (holder) return () => void frozen.process.kill("SIGCONT");
				frozen.process.kill("SIGCONT");
			}
			await posting;
		}
	}

	const readers: ChildProcess[] = [];
	afterEach(() => {
		for (const reader of readers.splice(0)) reader.kill("SIGKILL");
	});
	/** Freezes a process while the server writes an answer to it; returns a function that ends it. */
	async function freezeReader(): Promise<() => void> {
		const store = Object.assign(new URL(url), { search: "?application_name=reader" }).href;
		const reader = spawn(process.execPath, ["test/faults/frozen-reader.ts", store], { stdio: "ignore" });
		readers.push(reader);
		const isWriting = async () => expect(await holders("reader")).toMatchObject([{ wait_event: "ClientWrite" }]);
		await vi.waitFor(isWriting, { timeout: 60_000, interval: 50 });
		return () => reader.kill("SIGKILL");
	}

	it(
		`delays others' events by 15 s at most, in each of ${tries} tries`,
		async () => {
			const other = await start("other");
			relay.slow(10);
			const frozen = await start("frozen", relay.port);
			const delays: number[] = [];
			for (let round = 0; round < tries; round += 1) {
				const goOn = round % 2 === 0 ? await freezeReader() : await freezeProxy(frozen);
				const since = performance.now();
				expect((await post(other, `round ${round}`)).status).toBe(202);
				await arrival(`round ${round}`);
				delays.push(performance.now() - since);
				goOn();
			}
			process.stderr.write(`delays by a frozen process, ms: ${delays.map(Math.round).join(", ")}\n`);
			expect(Math.max(...delays)).toBeLessThan(longest);
			await delivered(other.url, 60_000);
			const once = arrived.get(ada)?.filter((event, index, all) => event !== all[index - 1]);
			expect(once).toEqual(delays.map((_, round) => `round ${round}`));
		},
		60_000 + tries * 20_000,
	);
});

/** Option of Node that sets the clock of a process 300 s ahead. */
const ahead = `--import=data:text/javascript,${encodeURIComponent(`
	const System = Date;
	globalThis.Date = class extends System {
		constructor(...parts) {
			super(...(parts.length > 0 ? parts : [Date.now()]));
		}
		static now() {
			return System.now() + 300_000;
		}
	};
`)}`;

it("a proxy whose clock is 300 s ahead says so, and no more requests are sent than the budget has", async () => {
	const perSecond = 1;
	const bucket = 10;
	const staff = Array.from({ length: 20 }, (_, index) => `person-${index}@clock.example`);
	for (const email of staff) sandbox.addPerson("helpcrunch", { email });
	const env = {
		...Object.fromEntries(Object.entries(environment(sandbox)).filter(([key]) => !/^(CRISP|VIBETRACE)_/.test(key))),
		HELPCRUNCH_MINUTE_BUDGET: `${60 * perSecond}`,
		EVENTFERRY_STORE: url,
	};
	const right = await serve(env);
	proxies.push(right);
	const wrong = await serve({ ...env, NODE_OPTIONS: ahead });
	proxies.push(wrong);
	const since = performance.now();
	for (const proxy of [right, wrong]) {
		const events = staff.flatMap((email) => ["1", "2", "3", "4"].map((event) => track(event, { person: { email } })));
		expect((await postEvents(proxy.url, events)).status).toBe(202);
	}
	const all = await sandbox.until((requests) => requests.length >= bucket + 8 * perSecond, {
		destination: "helpcrunch",
		timeoutMs: 60_000,
	});
	const seconds = (performance.now() - since) / 1_000;
	process.stderr.write(
		`requests in ${seconds.toFixed(1)} s, with a budget of ${bucket} and ${perSecond}/s: ${all.length}\n`,
	);
	// Each proxy may hold a token from before the post.
	expect(all.length).toBeLessThanOrEqual(bucket + perSecond * seconds + proxies.length);
	await vi.waitFor(() => expect(wrong.output()).toMatch(/the clock of this machine is -(299|300)\.?\d* s off/), {
		timeout: 60_000,
		interval: 50,
	});
	expect(right.output()).not.toContain("the clock of this machine");
});

describe("a lock that another session holds", () => {
	let holder: pg.Client;
	beforeEach(async () => {
		holder = new pg.Client({ connectionString: url });
		holder.on("error", () => {});
		await holder.connect();
	});
	afterEach(() => holder.end());

	async function lockJournal(): Promise<void> {
		await holder.query("BEGIN; LOCK TABLE eventferry.journal IN ACCESS EXCLUSIVE MODE");
	}
	const inserts = (app: string) =>
		sessions(app, "wait_event_type = 'Lock' AND query LIKE '%INSERT INTO eventferry.journal%'");

	it("piles up no sessions, and nothing that was answered store_unavailable is delivered later", async () => {
		const proxy = await start("proxy");
		await lockJournal();
		const answers = [];
		let most = 0;
		for (let round = 0; round < 2; round += 1) {
			const posting = post(proxy, `refused ${round}`).then(async (answer) => ({ answer, ...(await answer.json()) }));
			let answer: Awaited<typeof posting> | undefined;
			void posting.then((given) => {
				answer = given;
			});
			while (!answer) most = Math.max(most, (await sessions("proxy")).length);
			answers.push([answer.answer.status, answer.code]);
		}
		expect(answers).toEqual(answers.map(() => [503, "store_unavailable"]));
		expect(most).toBeLessThanOrEqual(11);
		expect(await inserts("proxy")).toEqual([]);
		await holder.query("COMMIT");
		await vi.waitFor(async () => expect((await post(proxy, "accepted")).status).toBe(202), { timeout: 60_000 });
		await delivered(proxy.url, 60_000);
		expect(arrived.get(ada)).toEqual(["accepted"]);
	});

	it("leaves a post whose line is cut answered outcome_unknown, and the same ids are delivered once", async () => {
		const proxy = await start("proxy", relay.port);
		await lockJournal();
		const id = crypto.randomUUID();
		const posting = post(proxy, "once", ada, { id });
		await vi.waitFor(async () => expect(await inserts("proxy")).not.toEqual([]), { timeout: 60_000, interval: 20 });
		relay.cut();
		const answer = await posting;
		expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, expect.stringMatching(/^[1-9]\d*$/)]);
		expect(await answer.json()).toMatchObject({ code: "outcome_unknown" });
		relay.heal();
		await holder.query("COMMIT");
		const again = async () => expect((await post(proxy, "once", ada, { id })).status).toBe(202);
		await vi.waitFor(again, { timeout: 60_000, interval: 50 });
		await delivered(proxy.url, 60_000);
		expect(arrived.get(ada)).toEqual(["once"]);
		const stats = await (await fetch(`${proxy.url}/metrics`)).text();
		expect(stats).toMatch(/^eventferry_events_duplicate_total\{reason="duplicate"\} 1$/m);
	});

	it("is told by a warning and a metric once the journal's oldest batch is old", async () => {
		const proxy = await start("proxy");
		await holder.query("BEGIN");
		const [lock] = (await holder.query("SELECT pg_advisory_xact_lock(x'65766679'::int, 2)")).rows;
		expect(lock).toBeDefined();
		expect((await post(proxy, "old")).status).toBe(202);
		const ready = async () => {
			const response = await fetch(`${proxy.url}/readyz`);
			return [response.status, ((await response.json()) as { warnings: unknown }).warnings];
		};
		expect(await ready()).toEqual([200, []]);
		await cluster.run("UPDATE eventferry.journal SET stored_at = stored_at - interval '70 s'", name);
		await vi.waitFor(
			async () => expect(await ready()).toEqual([200, [{ code: "journal_old", seconds: expect.any(Number) }]]),
			{
				timeout: 60_000,
				interval: 50,
			},
		);
		const metrics = await (await fetch(`${proxy.url}/metrics`)).text();
		expect(metrics).toMatch(/^eventferry_journal_oldest_seconds 7\d(\.\d+)?$/m);
		await holder.query("COMMIT");
		await arrival("old");
		await vi.waitFor(async () => expect(await ready()).toEqual([200, []]), { timeout: 60_000, interval: 50 });
	});
});

it("a proxy that meets a newer schema says so, takes in and delivers nothing, and loses nothing", async () => {
	const proxy = await start("proxy");
	const ready = async () => {
		const answer = await fetch(`${proxy.url}/readyz`);
		const { warnings } = await answer.json();
		return [answer.status, warnings];
	};
	expect((await post(proxy, "before")).status).toBe(202);
	await arrival("before");
	await cluster.run("UPDATE eventferry.schema SET version = version + 1", name);
	await vi.waitFor(async () => expect(await ready()).toEqual([503, [{ code: "newer_schema" }]]), { timeout: 60_000 });
	const refused = await post(proxy, "refused");
	expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, expect.stringMatching(/^[1-9]\d*$/)]);
	expect(await refused.json()).toMatchObject({ code: "store_unavailable" });
	expect(proxy.output()).toContain("use a newer eventferry");
	const told = await fetch(`${proxy.url}/admin/stats`, { headers: { Authorization: "Bearer admin-token" } });
	expect(await told.json()).toMatchObject({ isOutdated: true });
	// What a newer process has stored meanwhile is not fanned out by this one.
	await cluster.run(`INSERT INTO eventferry.journal (id, events, head, keys) SELECT 0, 1, '{"not": "read"}', ''`, name);
	await vi.waitFor(
		async () =>
			expect(
				(await cluster.run("SELECT max(seen_at) > now() - interval '1 s' AS is_new FROM eventferry.owner", name))[0]
					?.is_new,
			).toBe(true),
		{ timeout: 60_000 },
	);
	expect(await cluster.run("SELECT id, stuck FROM eventferry.journal", name)).toEqual([{ id: "0", stuck: null }]);
	await cluster.run("DELETE FROM eventferry.journal", name);
	await cluster.run("UPDATE eventferry.schema SET version = version - 1", name);
	await vi.waitFor(async () => expect(await ready()).toEqual([200, []]), { timeout: 60_000 });
	expect((await post(proxy, "after")).status).toBe(202);
	await arrival("after");
	expect(arrived.get(ada)).toEqual(["before", "after"]);
});
