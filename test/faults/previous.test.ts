import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import { runHere } from "../support/command.ts";
import { type Cluster, startPostgres } from "../support/postgres.ts";
import { previousBuild } from "../support/previous.ts";
import { delivered, postEvents, type Served, serve, track } from "../support/served.ts";
import { arrivalsAt, crispEnvironment, randomUpTo, rounds } from "./connections.ts";

const previous = previousBuild();
const reason = previous ? "" : " (left out: the history of this clone does not have it)";
const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const people = Array.from({ length: 6 }, (_, index) => `person-${index}@previous.example`);

describe.skipIf(!previous)(`the previous build and this one on one database${reason}`, () => {
	let cluster: Cluster;
	beforeAll(async () => {
		cluster = await startPostgres();
	});
	afterAll(async () => {
		await cluster.stop();
		previous?.remove();
	});

	let sandbox: Sandbox;
	let url: string;
	let arrived: ReadonlyMap<string, string[]>;
	let posted: Map<string, string[]>;
	const running = new Set<Served>();
	beforeEach(async () => {
		sandbox = await startSandbox({ limits: { crispPerDay: 1_000_000 } });
		for (const email of people) sandbox.addPerson("crisp", { email });
		arrived = arrivalsAt(sandbox, people);
		posted = new Map(people.map((email) => [email, []]));
		url = await cluster.database();
	});
	afterEach(async () => {
		await Promise.all([...running].map((proxy) => proxy.kill()));
		running.clear();
		await sandbox.stop();
	});

	async function start(command?: string): Promise<Served> {
		const proxy = await serve({ ...crispEnvironment(sandbox, ""), EVENTFERRY_STORE: url }, [], command);
		running.add(proxy);
		return proxy;
	}
	async function end(proxy: Served, how: "kill" | "stop"): Promise<void> {
		running.delete(proxy);
		await proxy[how]();
	}
	const upgrade = async () => JSON.parse((await runHere(["migrate", "--schema", "--to", url, "--json"])).stdout);
	const table = async (name: string, where = "true") =>
		cluster.run(`SELECT * FROM eventferry.${name} WHERE ${where}`, url.slice(url.lastIndexOf("/") + 1));

	/** Posts an event as a visitor, whom nothing verifies. */
	const postVisit = (proxy: Served, event: unknown) =>
		fetch(`${proxy.url}/v1/batch`, {
			method: "POST",
			headers: { "Content-Type": "application/json", Origin: "https://shop.example", "User-Agent": firefox },
			body: JSON.stringify({ writeKey: "site_test", sentAt: Date.now(), events: [event] }),
		});
	/** Posts an event of each person in turn, by the backend or the visitor, and its copy through another proxy. */
	async function post(proxies: Served[], visits: boolean): Promise<void> {
		await Promise.all(
			[...posted].map(async ([email, names]) => {
				const event = track(String(names.length), { person: { email } });
				const isVisit = visits && randomUpTo(2) === 1;
				const [first, second] = randomUpTo(2) === 1 ? proxies : proxies.toReversed();
				for (const proxy of [first, second ?? first]) {
					if (!proxy) continue;
					const answer = isVisit ? await postVisit(proxy, event) : await postEvents(proxy.url, [event]);
					expect([answer.status, await answer.json()]).toEqual([202, { accepted: 1, rejected: [] }]);
				}
				names.push(event.name);
			}),
		);
	}
	/** Expects all events to have arrived in order; returns the number of repeats, each right after its original. */
	function expectAll(): number {
		let repeats = 0;
		for (const [email, names] of posted) {
			const all = arrived.get(email) ?? [];
			const once = all.filter((name, index) => name !== all[index - 1]);
			expect(once, email).toEqual(names);
			repeats += all.length - once.length;
		}
		return repeats;
	}

	it(
		"keep each person's order, repeat only what a crash does, and leave no lane behind",
		async () => {
			let older = await start(previous?.command);
			await post([older], true);
			expect(await upgrade()).toMatchObject({ ok: true, older: 1 });
			let newer = await start();
			let kills = 0;
			for (let round = 0; round < rounds; round += 1) {
				for (let event = 0; event < 5; event += 1) await post([older, newer], true);
				const how = randomUpTo(2) === 1 ? "kill" : "stop";
				if (how === "kill") kills += 1;
				// Both can start again beside each other.
				if (round % 2 === 0) {
					await end(older, how);
					older = await start(previous?.command);
				} else {
					await end(newer, how);
					newer = await start();
				}
			}
			await delivered(newer.url, 120_000);
			expect(await table("lane")).toEqual([]);
			expect(expectAll()).toBeLessThanOrEqual(8 * kills);

			await end(older, "stop");
			await vi.waitFor(async () => expect(await upgrade()).toMatchObject({ older: 0 }), { timeout: 60_000 });
			for (let event = 0; event < 5; event += 1) await post([newer], false);
			await delivered(newer.url, 120_000);
			expect(await table("lane")).toEqual([]);
			expect(expectAll()).toBeLessThanOrEqual(8 * kills);
		},
		120_000 + rounds * 20_000,
	);

	it("leave no lane behind that the newer one made before the older one came", async () => {
		const newer = await start();
		const heal = sandbox.fault("crisp", { delayMs: 2_000 });
		const visits = people.map((email) => track("visit", { person: { email } }));
		for (const event of visits) expect((await postVisit(newer, event)).status).toBe(202);
		const staff = people.flatMap((email) => ["1", "2"].map((name) => track(name, { person: { email } })));
		expect((await postEvents(newer.url, staff)).status).toBe(202);
		await vi.waitFor(async () => expect(await table("lane", "behind")).not.toEqual([]), { timeout: 60_000 });
		const older = await start(previous?.command);
		await end(newer, "kill");
		heal();
		// The older one ends the lanes of the backend's events, without a look at the others.
		await vi.waitFor(() => expect([...arrived.values()].every((names) => names.includes("2"))).toBe(true), {
			timeout: 60_000,
		});
		await end(older, "stop");
		const last = await start();
		await delivered(last.url, 120_000);
		expect(await table("lane")).toEqual([]);
		for (const names of arrived.values()) expect([...new Set(names)].sort()).toEqual(["1", "2", "visit"]);
	});
});
