import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { tryLockWriting } from "../../server/outbox/postgres/schema.ts";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import { type Cluster, startPostgres } from "../support/postgres.ts";
import { delivered, postEvents, type Served, serve, stats, track } from "../support/served.ts";
import { arrivalsAt, crispEnvironment, rounds } from "./connections.ts";

const people = ["ada", "bob", "eve", "kim"].map((name) => `${name}@group.example`);
const tries = Math.ceil(rounds / 3);

let cluster: Cluster;
let sandbox: Sandbox;
let proxies: Served[];
let url: string;
beforeAll(async () => {
	cluster = await startPostgres();
});
afterAll(() => cluster.stop());
beforeEach(async () => {
	sandbox = await startSandbox({ limits: { crispPerDay: 1_000_000 } });
	for (const email of people) sandbox.addPerson("crisp", { email });
	url = await cluster.database();
	const env = { ...crispEnvironment(sandbox, ""), EVENTFERRY_STORE: url };
	proxies = [await serve(env), await serve(env), await serve(env)];
});
afterEach(async () => {
	await Promise.all(proxies.map((proxy) => proxy.kill()));
	await sandbox.stop();
});

const urlOf = (index: number) => proxies[index % proxies.length]?.url ?? "";
const run = (text: string) => cluster.run(text, url.slice(url.lastIndexOf("/") + 1));

/** Runs work while no process can fan out; then all of them can, at their next beats. */
async function withoutFanOut(work: () => Promise<void>): Promise<void> {
	const client = new pg.Client({ connectionString: url });
	await client.connect();
	try {
		await vi.waitFor(async () => {
			await client.query("BEGIN");
			const { rows } = await client.query(tryLockWriting);
			if (!rows[0]?.is_ours) await client.query("ROLLBACK");
			expect(rows[0]?.is_ours).toBe(true);
		});
		await work();
	} finally {
		await client.end();
	}
}

it(
	"three proxies set aside only the batch that fails, in every try, and deliver it after a retry",
	async () => {
		const arrived = arrivalsAt(sandbox, people);
		const expected = new Map(people.map((email) => [email, [] as string[]]));
		/** Posts one event; the fan-out of a bad one fails until it is mended. */
		async function post(index: number, email: string, name: string): Promise<void> {
			const { status } = await postEvents(urlOf(index), [track(name, { person: { email } })]);
			expect(status).toBe(202);
		}
		for (let number = 0; number < tries; number += 1) {
			const victim = people[number % people.length] ?? "";
			await withoutFanOut(async () => {
				for (const [index, email] of people.entries()) {
					if (email === victim) {
						await post(number, victim, `bad ${number}`);
						await run(`UPDATE eventferry.journal SET head = replace(head, '"since":0,', '"since":0.5,')
							WHERE position('${victim}' IN head) > 0`);
					}
					await post(index, email, `good ${number}`);
					expected.get(email)?.push(`good ${number}`);
				}
			});
			await vi.waitFor(async () => expect(await stats(urlOf(0))).toMatchObject({ journal: 0, stuck: 1 }), {
				timeout: 30_000,
				interval: 20,
			});
			await delivered(urlOf(0));
			expect(Object.fromEntries(arrived), `try ${number}`).toEqual(Object.fromEntries(expected));
			await run(`UPDATE eventferry.journal SET head = replace(head, '"since":0.5,', '"since":0,')`);
			const retried = await fetch(`${urlOf(number)}/admin/journal/retry`, {
				method: "POST",
				headers: { "content-type": "application/json", authorization: "Bearer admin-token" },
				body: JSON.stringify({ all: true }),
			});
			expect(await retried.json()).toEqual({ retried: 1 });
			expected.get(victim)?.push(`bad ${number}`);
			await vi.waitFor(() => expect(Object.fromEntries(arrived)).toEqual(Object.fromEntries(expected)), {
				timeout: 30_000,
				interval: 20,
			});
		}
		expect(await stats(urlOf(1))).toMatchObject({ journal: 0, stuck: 0 });
	},
	120_000 + tries * 10_000,
);
