import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import { hasPgBouncer, type PgBouncer, startPgBouncer } from "../support/pgbouncer.ts";
import { type Cluster, startPostgres } from "../support/postgres.ts";
import { delivered, postEvents, type Served, serve, temporaryFolder, track } from "../support/served.ts";
import { ballastIn } from "./ballast.ts";
import { arrivalsAt, crispEnvironment, randomUpTo, rounds } from "./connections.ts";
import { type Relay, startRelay } from "./relay.ts";

const people = ["ada", "bob", "eve", "kim", "lou", "max"].map((name) => `${name}@group.example`);
const size = 3;

/** Starts a proxy as a supervisor would: again, if its first connection was cut while it started. */
const start = (env: Record<string, string>): Promise<Served> => serve(env).catch(() => serve(env));

let cluster: Cluster;
let pooler: PgBouncer | undefined;
beforeAll(async () => {
	cluster = await startPostgres();
	await cluster.run("CREATE ROLE ferry LOGIN PASSWORD 'secret'");
	if (hasPgBouncer) pooler = await startPgBouncer(cluster, { ferry: "secret" });
});
afterAll(async () => {
	await pooler?.stop();
	await cluster.stop();
});

const group = "three proxies on one PostgreSQL";
const leftOut = hasPgBouncer ? "" : " (left out: it is not installed)";
describe(group, () => groupTests(() => cluster.port));
describe.skipIf(!hasPgBouncer)(`${group} behind PgBouncer in transaction mode${leftOut}`, () =>
	groupTests(() => pooler?.port ?? 0),
);

/** Tests a group whose proxies each reach the database over a relay to a port. */
function groupTests(port: () => number): void {
	let sandbox: Sandbox;
	let relays: Relay[];
	let envs: Record<string, string>[];
	let proxies: (Served | undefined)[];
	let arrived: ReadonlyMap<string, string[]>;
	let name: string;
	beforeEach(async () => {
		sandbox = await startSandbox({ limits: { crispPerDay: 1_000_000 } });
		for (const email of people) sandbox.addPerson("crisp", { email });
		arrived = arrivalsAt(sandbox, people);
		const url = await cluster.database();
		name = url.slice(url.lastIndexOf("/") + 1);
		// Give the role no more rights than the proxy needs.
		await cluster.run("CREATE SCHEMA eventferry AUTHORIZATION ferry", name);
		relays = await Promise.all(Array.from({ length: size }, () => startRelay(port())));
		envs = relays.map(({ port }) => ({
			...crispEnvironment(sandbox, ""),
			EVENTFERRY_STORE: `postgres://ferry:secret@127.0.0.1:${port}/${name}`,
		}));
		proxies = await Promise.all(envs.map(start));
	});
	afterEach(async () => {
		for (const proxy of proxies) proxy?.process.kill("SIGCONT");
		await Promise.all(proxies.map((proxy) => proxy?.kill()));
		await Promise.all(relays.map((relay) => relay.stop()));
		await sandbox.stop();
	});

	const urlOf = (index: number) => proxies[index % size]?.url ?? "http://127.0.0.1:1";
	/** Expects all events, each person's in order and every repeat right after its original; returns the number of repeats. */
	function expectAll(posted: ReadonlyMap<string, string[]>): number {
		let repeats = 0;
		for (const [email, names] of posted) {
			const all = arrived.get(email) ?? [];
			const once = all.filter((each, index) => each !== all[index - 1]);
			expect(once, email).toEqual(names);
			repeats += all.length - once.length;
		}
		return repeats;
	}
	/** Posts to one proxy after the other until one accepts, like a client that retries. */
	async function post(first: number, events: unknown[]): Promise<void> {
		for (let tries = 0; ; tries += 1) {
			const response = await postEvents(urlOf(first + tries), events).catch(() => undefined);
			if (response?.status === 202) return;
			if (response) expect([response.status, response.headers.get("retry-after")]).toEqual([503, expect.any(String)]);
			await delay(20);
		}
	}
	/** Waits until all is delivered, and longer after more rounds, because they leave a larger backlog. */
	const allDelivered = async () => {
		for (const proxy of proxies) if (proxy) await delivered(proxy.url, 120_000 + rounds * 10_000);
	};

	it(
		"deliver all acknowledged events in order, and each purchase once, through faults of proxies, network and database",
		async () => {
			const faults: Record<string, (index: number) => Promise<void>> = {
				async kill(index) {
					await proxies[index]?.kill();
					proxies[index] = undefined;
					proxies[index] = await start(envs[index] ?? {});
				},
				async cut(index) {
					relays[index]?.cut();
					await delay(randomUpTo(300));
				},
				async freeze(index) {
					relays[index]?.freeze();
					await delay(randomUpTo(500));
				},
				async slow(index) {
					relays[index]?.slow(randomUpTo(50));
					await delay(randomUpTo(300));
				},
				async disconnectAll() {
					await cluster.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ferry'");
				},
				async restart() {
					await cluster.halt();
					await cluster.start();
				},
			};
			const posted = new Map(people.map((email) => [email, [] as string[]]));
			let isOver = false;
			let harmful = 0;
			const posting = [...posted].map(async ([email, names], index) => {
				while (!isOver || names.length < 10) {
					const batch = Array.from({ length: randomUpTo(3) }, () => {
						names.push(String(names.length));
						return track(names.at(-1) ?? "", { person: { email } });
					});
					const purchase = {
						...track(""),
						type: "confirmation",
						name: undefined,
						person: { email },
						data: { orderId: email },
					};
					await post(index + names.length, [...batch, ...(names.length % 4 === 0 ? [purchase] : [])]);
				}
			});
			const kinds = Object.keys(faults);
			for (let round = 0; round < rounds; round += 1) {
				const kind = kinds[round % kinds.length] ?? "kill";
				if (kind !== "slow") harmful += 1;
				const index = randomUpTo(size) - 1;
				await faults[kind]?.(index);
				relays[index]?.heal();
			}
			isOver = true;
			await Promise.all(posting);
			await allDelivered();
			let repeats = 0;
			for (const [email, names] of arrived) {
				const once = names.filter((each, index) => each !== names[index - 1]);
				repeats += names.length - once.length;
				expect(
					once.filter((each) => each !== "confirmation"),
					email,
				).toEqual(posted.get(email));
				expect(
					once.filter((each) => each === "confirmation"),
					email,
				).toHaveLength(1);
			}
			// A fault repeats at most the eight requests of each proxy that are not settled.
			expect(repeats).toBeLessThanOrEqual(8 * size * harmful);
		},
		240_000 + rounds * 20_000,
	);

	it("take over within 15 s from a killed one and a stopped one, which settles nothing when it wakes", async () => {
		const heal = sandbox.fault("crisp", { delayMs: 60_000 });
		const posted = new Map(people.map((email) => [email, ["one", "two"]]));
		await Promise.all(
			[...posted].map(([email, names], index) =>
				post(
					index,
					names.map((each) => track(each, { person: { email } })),
				),
			),
		);
		const leased = () =>
			cluster.run(
				"SELECT count(DISTINCT owner)::int AS owners, count(*)::int AS lanes FROM eventferry.lane WHERE state = 'leased'",
				name,
			);
		await vi.waitFor(async () => expect((await leased())[0]?.lanes).toBe(people.length), { timeout: 120_000 });
		// Wait until Crisp has all requests: a proxy stopped while it sends a request still sends it when it wakes.
		const allArrived = (requests: unknown[]) => requests.length >= people.length;
		await sandbox.until(allArrived, { destination: "crisp", timeoutMs: 120_000 });
		const [killed, stopped] = proxies;
		const since = performance.now();
		stopped?.process.kill("SIGSTOP");
		await killed?.kill();
		proxies[0] = undefined;
		heal();
		const owners = async () => (await cluster.run("SELECT FROM eventferry.owner", name)).length;
		await vi.waitFor(async () => expect(await owners()).toBe(1), { timeout: 120_000, interval: 50 });
		// Allow twice the 15 s, because the machine may be busy.
		expect(performance.now() - since).toBeLessThan(30_000);
		// The third proxy's own requests under way end after their timeout of 10 s.
		await vi.waitFor(() => expect([...arrived.values()].every((names) => names.includes("two"))).toBe(true), {
			timeout: 120_000,
			interval: 50,
		});
		stopped?.process.kill("SIGCONT");
		proxies[0] = undefined;
		await delivered(stopped?.url ?? "", 120_000);
		expect(expectAll(posted)).toBeLessThanOrEqual(2 * 8);
		expect((await postEvents(stopped?.url ?? "", [track("after", { person: { email: people[0] } })])).status).toBe(202);
		await vi.waitFor(() => expect(arrived.get(people[0] ?? "")?.at(-1)).toBe("after"), { timeout: 120_000 });
	});

	it("answer 503 and are not ready while nothing can be stored, and recover by themselves", async () => {
		const outages: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
			["the database is down", () => cluster.halt(), () => cluster.start()],
			[
				"there are no connections left",
				async () => {
					await cluster.run("ALTER ROLE ferry CONNECTION LIMIT 0");
					await cluster.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ferry'");
				},
				() => cluster.run("ALTER ROLE ferry CONNECTION LIMIT -1"),
			],
			[
				"the database may only be read",
				async () => {
					await cluster.run(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
					await cluster.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ferry'");
				},
				async () => {
					await cluster.run(`ALTER DATABASE ${name} RESET default_transaction_read_only`);
					await cluster.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ferry'");
				},
			],
		];
		const posted = new Map(people.map((email) => [email, [] as string[]]));
		const ready = async (index: number) => (await fetch(`${urlOf(index)}/readyz`)).status;
		for (const [outage, begin, end] of outages) {
			await begin();
			const refused = await postEvents(urlOf(0), [track(outage)]);
			expect([refused.status, refused.headers.get("retry-after")], outage).toEqual([
				503,
				expect.stringMatching(/^[1-9]\d*$/),
			]);
			// A session may end while it has the post.
			expect(["store_unavailable", "outcome_unknown"]).toContain((await refused.json()).code);
			expect([await ready(0), await ready(1), await ready(2)], outage).toEqual([503, 503, 503]);
			await end();
			await Promise.all(
				[...posted].map(([email, names], index) => {
					names.push(outage);
					return post(index, [track(outage, { person: { email } })]);
				}),
			);
			for (const index of [0, 1, 2]) {
				await vi.waitFor(async () => expect(await ready(index), outage).toBe(200), { timeout: 120_000, interval: 50 });
			}
		}
		await allDelivered();
		expectAll(posted);
	});
}

/** Mounts a small disk in memory for a database; returns undefined if this user may not mount one. */
function smallDisk() {
	const { path, remove } = temporaryFolder();
	const mounted = spawnSync("/bin/mount", ["-t", "tmpfs", "-o", "size=40m,mode=777", "eventferry-test", path]);
	const unmount = () => {
		if (mounted.status === 0) spawnSync("/bin/umount", [path]);
		remove();
	};
	spawnSync("/bin/chmod", ["755", path]);
	const owned = spawnSync("/bin/chown", ["postgres", path]);
	if (mounted.status !== 0 || owned.status !== 0) {
		unmount();
		return undefined;
	}
	return {
		path,
		...ballastIn(path),
		unmount,
	};
}

const canMount = (() => {
	const disk = process.getuid?.() === 0 ? smallDisk() : undefined;
	disk?.unmount();
	return disk !== undefined;
})();

it.skipIf(!canMount)(
	`a database whose disk is full is refused with 503 and recovers${canMount ? "" : " (skipped: this user may not mount a disk)"}`,
	async () => {
		const disk = smallDisk();
		if (!disk) throw new Error("the disk cannot be mounted");
		const sandbox = await startSandbox();
		sandbox.addPerson("crisp", { email: "ada@example.com" });
		await cluster.run(`CREATE TABLESPACE small LOCATION '${disk.path}'`);
		await cluster.run("CREATE DATABASE small TABLESPACE small");
		const proxy = await serve({ ...crispEnvironment(sandbox, ""), EVENTFERRY_STORE: cluster.url("small") });
		try {
			const acknowledged: string[] = [];
			let posted = 0;
			async function post(): Promise<Response> {
				const event = String(posted++);
				const response = await postEvents(proxy.url, [
					track(event, { data: { text: randomBytes(6_000).toString("hex") } }),
				]);
				if (response.status === 202) acknowledged.push(event);
				return response;
			}
			const ready = async () => (await fetch(`${proxy.url}/readyz`)).status;
			expect((await post()).status).toBe(202);
			await delivered(proxy.url);
			disk.fill();
			let refused = await post();
			while (refused.status === 202 && posted < 3_000) refused = await post();
			expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, expect.stringMatching(/^[1-9]\d*$/)]);
			expect(await ready()).toBe(503);
			disk.free();
			await vi.waitFor(async () => expect((await post()).status).toBe(202), { timeout: 120_000, interval: 50 });
			await vi.waitFor(async () => expect(await ready()).toBe(200), { timeout: 120_000, interval: 50 });
			await delivered(proxy.url, 120_000);
			const arrived = sandbox
				.requests("crisp")
				.filter(({ path, status }) => path.includes("/people/events/") && status === 200)
				.map(({ body }) => (body as { text: string }).text);
			expect([...new Set(arrived)].filter((each) => acknowledged.includes(each))).toEqual(acknowledged);
		} finally {
			await proxy.kill();
			await sandbox.stop();
			await cluster.run("DROP DATABASE small WITH (FORCE)");
			await cluster.run("DROP TABLESPACE small");
			disk.unmount();
		}
	},
	120_000,
);
