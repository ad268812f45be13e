import { cpSync, mkdirSync } from "node:fs";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import { delivered, type Served, serve, temporaryFolder } from "../support/served.ts";
import { createTraffic, crispEnvironment, rounds, some } from "./connections.ts";
import { compilePreload } from "./preload.ts";

const { library, reason, remove } = compilePreload("powerloss");
afterAll(remove);

describe.skipIf(library === undefined)(`a power loss${reason && ` (skipped: ${reason})`}`, () => {
	let sandbox: Sandbox;
	let folder: ReturnType<typeof temporaryFolder>;
	let proxy: Served | undefined;
	beforeEach(async () => {
		sandbox = await startSandbox({ limits: { crispPerDay: 1_000_000 } });
		folder = temporaryFolder();
	});
	afterEach(async () => {
		await proxy?.kill();
		await sandbox.stop();
		folder.remove();
	});

	/**
	 * Posts until the power fails, so often; then starts once more and has all delivered that is still known.
	 * While `held`, the provider does not answer, so that what is lost cannot have arrived.
	 */
	async function loseThePower({ times, held, env }: { times: number; held: boolean; env?: Record<string, string> }) {
		const people = ["ada", "bob", "eve", "kim"].map((name) => `${name}@power.example`);
		const traffic = createTraffic(sandbox, people);
		const heal = held ? sandbox.fault("crisp", { delayMs: 60_000 }) : () => {};
		let disk = `${folder.path}/disk 0`;
		mkdirSync(disk);
		for (let time = 1; time <= times; time += 1) {
			const survivor = `${folder.path}/disk ${time}`;
			// What is on the disk when the machine starts has survived.
			cpSync(disk, survivor, { recursive: true });
			const running = await serve({
				...crispEnvironment(sandbox, `${disk}/store.db`),
				...env,
				LD_PRELOAD: library ?? "",
				POWERLOSS_DIR: disk,
				POWERLOSS_SHADOW: survivor,
			});
			proxy = running;
			await traffic.post(running.url, 10 + some(60), running.kill);
			disk = survivor;
		}
		heal();
		proxy = await serve(crispEnvironment(sandbox, `${disk}/store.db`));
		await delivered(proxy.url);
		expect(traffic.acknowledged()).toBeGreaterThan(10 * times);
		return traffic;
	}

	it(
		"while events are delivered costs none that was acknowledged, and keeps each person's order",
		async () => {
			const traffic = await loseThePower({ times: rounds, held: false });
			// Eight requests at most are under way, or not settled on the disk yet, when the power fails.
			expect(traffic.expectAll()).toBeLessThanOrEqual(8 * rounds);
		},
		20_000 + rounds * 5_000,
	);

	it("while events wait costs none that was acknowledged, and repeats none", async () => {
		const traffic = await loseThePower({ times: 1, held: true });
		expect(traffic.lost()).toEqual([]);
		expect(traffic.expectAll()).toBe(0);
	});

	it("costs acknowledged events where commits are not synced, so the tests above would see it", async () => {
		const unsynced = new URL("./normal-sync.mjs", import.meta.url).href;
		const traffic = await loseThePower({ times: 1, held: true, env: { NODE_OPTIONS: `--import ${unsynced}` } });
		expect(traffic.lost().length).toBeGreaterThan(0);
	});
});
