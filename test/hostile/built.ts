import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, test } from "vitest";
import type { Config } from "../../server/index.ts";
import { type Sandbox, type SandboxDestinations, startSandbox } from "../../server/sandbox/index.ts";
import { type Asking, adminToken, asking, origin, serverKey, writeKey } from "../support/proxy.ts";
import { serve, temporaryFolder } from "../support/served.ts";

/** What is attacked: the built command; from source when it is to be seen without one of its guards. */
const command = process.env.EVENTFERRY_COMMAND ?? "dist/server/cli.js";
/** So much that no test waits for it. */
const budget = 100_000;

/** A built proxy in a process of its own, that delivers to a sandbox with all three providers. */
export interface Built extends Asking {
	sandbox: Sandbox;
	/** The process's id. */
	pid: number;
	/** Everything that the process has written. */
	output(): string;
	/** Its store's file. */
	store: string;
	/** Ends it as a crash would not; resolves to its exit code. */
	stop(): Promise<number | null>;
	exited: Promise<number | null>;
}

type Site = Partial<Config["sites"][number]>;

export interface BuiltOptions {
	config?: Partial<Config>;
	/** What its site says, on its own or of the sandbox's destinations. */
	site?: Site | ((destinations: SandboxDestinations) => Site);
	args?: string[];
	env?: Record<string, string>;
}

export async function startBuilt({ config, site, args = [], env }: BuiltOptions = {}): Promise<Built> {
	const sandbox = await startSandbox({ limits: { crispPerDay: budget, helpcrunchPerMinute: budget } });
	const { crisp, helpcrunch, vibetrace } = sandbox.destinations;
	const folder = temporaryFolder();
	const whole: Config = {
		port: 0,
		store: `sqlite:${folder.path}/store.db`,
		adminToken,
		// All tests come from one address.
		rateLimit: { perAddress: 100_000 },
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

/** One threat of SECURITY.md, by its words there, and how it is seen to come to nothing. */
export type Threats = Record<string, (built: Built) => Promise<void>>;

/** Attacks one built proxy in every way of a table. */
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

/** Bytes that the process holds in memory. */
export function memoryOf({ pid }: Built): number {
	const [, kilobytes = ""] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
	return Number(kilobytes) * 1_024;
}
