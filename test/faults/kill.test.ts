import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import { delivered, environment, postEvents, type Served, serve, temporaryFolder, track } from "../support/served.ts";
import { createTraffic, crispEnvironment, randomUpTo, rounds } from "./connections.ts";

describe("a proxy that is killed", () => {
	let sandbox: Sandbox;
	let folder: ReturnType<typeof temporaryFolder>;
	let env: Record<string, string>;
	let proxy: Served | undefined;
	beforeEach(async () => {
		sandbox = await startSandbox({ limits: { crispPerDay: 1_000_000, helpcrunchPerMinute: 1_000_000 } });
		folder = temporaryFolder();
		env = {
			...environment(sandbox),
			EVENTFERRY_STORE: `sqlite:${folder.path}/store.db`,
			CRISP_DAILY_BUDGET: "1000000",
			HELPCRUNCH_MINUTE_BUDGET: "1000000",
		};
		for (const name of ["crisp", "vibetrace"] as const) sandbox.addPerson(name, { email: "ada@example.com" });
	});
	afterEach(async () => {
		await proxy?.kill();
		await sandbox.stop();
		folder.remove();
	});

	const crispEvents = () =>
		sandbox
			.requests("crisp")
			.filter(({ path, status }) => path.includes("/people/events/") && status === 200)
			.map(({ body }) => (body as { text: string }).text);

	it("between the 202 and the delivery delivers after its restart", async () => {
		// Requests sent before the kill find a provider that does not answer.
		const heal = sandbox.fault("crisp", { delayMs: 60_000 });
		proxy = await serve(env);
		expect((await postEvents(proxy.url, [track("one"), track("two")])).status).toBe(202);
		await proxy.kill();
		expect(crispEvents()).toEqual([]);
		heal();

		proxy = await serve(env);
		await delivered(proxy.url);
		expect(crispEvents()).toEqual(["one", "two"]);
		expect(await proxy.stop()).toBe(0);
	});

	it(
		"again and again while events come delivers each of them, in order, and repeats only events in flight",
		async () => {
			const names: string[] = [];
			for (let round = 0; round < rounds; round += 1) {
				proxy = await serve(env);
				for (let index = 0; index < 10; index += 1) {
					const name = `${round}.${index}`;
					const { status } = await postEvents(proxy.url, [track(name)]);
					expect(status).toBe(202);
					names.push(name);
				}
				await proxy.kill();
			}
			proxy = await serve(env);
			await delivered(proxy.url);
			const arrived = crispEvents();
			expect([...new Set(arrived)]).toEqual(names);
			expect(arrived.length - names.length).toBeLessThanOrEqual(rounds);
		},
		20_000 + rounds * 5_000,
	);

	it(
		"at any moment while several connections post delivers all acknowledged events, each person's in order",
		async () => {
			const people = ["ada", "bob", "eve", "kim", "lou", "max"].map((name) => `${name}@several.example`);
			const traffic = createTraffic(sandbox, people);
			env = crispEnvironment(sandbox, `${folder.path}/several.db`);
			for (let round = 0; round < rounds; round += 1) {
				const running = await serve(env);
				proxy = running;
				await traffic.post(running.url, randomUpTo(60), running.kill);
			}
			proxy = await serve(env);
			await delivered(proxy.url);
			expect(traffic.acknowledged()).toBeGreaterThan(rounds);
			// A kill finds at most eight requests under way or not yet settled on disk.
			expect(traffic.expectAll()).toBeLessThanOrEqual(8 * rounds);
		},
		20_000 + rounds * 5_000,
	);
});
