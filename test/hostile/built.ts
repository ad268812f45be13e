import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, test } from "vitest";
import type { Config } from "../../server/index.ts";
import { type Sandbox, type SandboxDestinations, startSandbox } from "../../server/sandbox/index.ts";
import { type Asking, adminToken, asking, event, origin, serverKey, writeKey } from "../support/proxy.ts";
import { serve, temporaryFolder } from "../support/served.ts";

/** The command under attack: the built one, or with `unguarded.ts` a source without some of its guards. */
export const command = process.env.EVENTFERRY_COMMAND ?? "dist/server/cli.js";
/** Requests per period that no test uses up, so that no test waits for a budget. */
const budget = 100_000;

/** A proxy in a process of its own, which delivers to a sandbox with all three providers. */
export interface Built extends Asking {
	sandbox: Sandbox;
	/** Id of the process. */
	pid: number;
	/** Returns everything that the process has written to stdout and stderr. */
	output(): string;
	/** Path of the store's file. */
	store: string;
	/** Stops the proxy gracefully, then the sandbox, and deletes the store. Resolves to the proxy's exit code. */
	stop(): Promise<number | null>;
	/** Resolves to the exit code once the process has ended. */
	exited: Promise<number | null>;
}

type Site = Partial<Config["sites"][number]>;

export interface BuiltOptions {
	config?: Partial<Config>;
	/** Settings of the site, or a function that makes them of the sandbox's destinations. */
	site?: Site | ((destinations: SandboxDestinations) => Site);
	args?: string[];
	env?: Record<string, string>;
}

/** Starts a proxy with one site, unless the options say otherwise, and a sandbox for it. */
export async function startBuilt({ config, site, args = [], env }: BuiltOptions = {}): Promise<Built> {
	const sandbox = await startSandbox({ limits: { crispPerDay: budget, helpcrunchPerMinute: budget } });
	const { crisp, helpcrunch, vibetrace } = sandbox.destinations;
	const folder = temporaryFolder();
	const whole: Config = {
		port: 0,
		store: `sqlite:${folder.path}/store.db`,
		adminToken,
		// High, because all tests send from one address.
		rateLimit: { perAddress: 100_000, bytesPerAddress: "10G" },
		sites: [
			{
				...{ writeKey, origins: [origin], serverKey },
				...{ crisp: { ...crisp, budget }, helpcrunch: { ...helpcrunch, budget }, vibetrace: { ...vibetrace, budget } },
				...(typeof site === "function" ? site(sandbox.destinations) : site),
			},
		],
		...config,
	};
	const file = `${folder.path}/eventferry.json`;
	writeFileSync(file, JSON.stringify(whole));
	const isSandbox = args.includes("--sandbox");
	const given = isSandbox ? ["--port", "0", "--store", String(whole.store)] : ["--config", file];
	const served = await serve({ PATH: process.env.PATH ?? "", ...env }, [...given, ...args], command);
	const exited = new Promise<number | null>((resolve) => served.process.once("exit", resolve));
	return {
		...asking(served.url),
		sandbox,
		pid: served.process.pid ?? 0,
		output: served.output,
		store: `${folder.path}/store.db`,
		exited,
		async stop() {
			const code = served.process.exitCode ?? (await served.stop());
			await sandbox.stop();
			folder.remove();
			return code;
		},
	};
}

/** Tests by the threat of SECURITY.md that they carry out. Each expects the attack to fail. */
export type Threats = Record<string, (built: Built) => Promise<void>>;

/** Runs a table of attacks against one proxy. */
export function threats(heading: string, options: BuiltOptions, table: Threats): void {
	describe(heading, () => {
		let built: Built;
		beforeAll(async () => {
			built = await startBuilt(options);
		});
		afterAll(() => built.stop());
		for (const [threat, attack] of Object.entries(table)) test(threat, () => attack(built));
	});
}

/** Returns the median time that a visitor's batch takes, of 100 in a row, in ms. */
export async function medianOf({ batch }: Built): Promise<number> {
	const times: number[] = [];
	for (let n = 0; n < 100; n += 1) {
		const startedAt = performance.now();
		await batch(event());
		times.push(performance.now() - startedAt);
	}
	return times.toSorted((a, b) => a - b)[50] ?? 0;
}

/** Returns the ratio of the median time of visitors' batches beside 40 attacks a second to that without them. */
export async function slowdownBy(attack: () => Promise<unknown>, built: Built): Promise<number> {
	await medianOf(built);
	const alone = await medianOf(built);
	const attacks: Promise<unknown>[] = [];
	const timer = setInterval(() => attacks.push(attack()), 25);
	try {
		return (await medianOf(built)) / alone;
	} finally {
		clearInterval(timer);
		await Promise.allSettled(attacks);
	}
}

/** Reads the memory that a proxy's process occupies, in bytes. */
export function memoryOf({ pid }: Built): number {
	const [, kilobytes = ""] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
	return Number(kilobytes) * 1_024;
}
