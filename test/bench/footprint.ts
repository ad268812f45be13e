import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { temporaryFolder } from "../support/served.ts";
import { origin, writeKey } from "./events.ts";
import type { Result } from "./result.ts";
import type { Settings } from "./sections.ts";

const command = "dist/server/cli.js";
/** An app that does nothing, as the peer. */
const bareExpress = 'require("express")().listen(0, "127.0.0.1", () => console.log("listening"))';
/** Time after which a process that has started counts as idle, ms. */
const idleMs = 2_000;

/** Reads the resident memory of a process, in MB; NaN on systems other than Linux. */
function residentMb({ pid }: ChildProcess): number {
	try {
		return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024;
	} catch {
		return Number.NaN;
	}
}

/** Starts a process; resolves to the ms until its first line, and to its memory once it is idle. */
async function measured(args: string[], env: Record<string, string> = {}): Promise<{ startMs: number; mb: number }> {
	const since = performance.now();
	const child = spawn(process.execPath, args, {
		env: { PATH: process.env.PATH, NODE_ENV: "production", ...env },
		stdio: ["ignore", "pipe", "inherit"],
	});
	const exited = once(child, "exit");
	const ended = exited.then(() => Promise.reject(new Error(`${args[0]} ended before it listened`)));
	await Promise.race([once(createInterface(child.stdout), "line"), ended]);
	const startMs = performance.now() - since;
	await new Promise((done) => setTimeout(done, idleMs));
	const mb = residentMb(child);
	child.kill();
	await exited;
	return { startMs, mb };
}

/** Time to listening and idle memory of the built command ÷ an Express app that does nothing. Neither has a warm cache. */
export async function footprint({ rounds }: Settings): Promise<Result[]> {
	if (!existsSync(command)) throw new Error("run npm run build first");
	const folder = temporaryFolder();
	const env = {
		PORT: "0",
		EVENTFERRY_WRITE_KEY: writeKey,
		EVENTFERRY_ORIGINS: origin,
		EVENTFERRY_LOG_LEVEL: "silent",
		EVENTFERRY_STORE: `sqlite:${folder.path}/store.db`,
		VIBETRACE_API_KEY: "key of an account that nobody has",
	};
	const ours: Awaited<ReturnType<typeof measured>>[] = [];
	const theirs: typeof ours = [];
	for (let round = 0; round <= rounds; round += 1) {
		const bare = await measured(["-e", bareExpress]);
		const proxy = await measured([command, "serve"], env);
		// The first round fills the disk's cache.
		if (round === 0) continue;
		theirs.push(bare);
		ours.push(proxy);
	}
	folder.remove();
	const of = (name: "startMs" | "mb") => ({
		ours: ours.map((each) => each[name]),
		theirs: theirs.map((each) => each[name]),
		peer: "an Express app that does nothing",
		betterIs: "lower" as const,
	});
	return [
		{ name: "start to listening", unit: "ms", ...of("startMs"), target: { atMost: 1.5 } },
		{ name: "memory of an idle proxy", unit: "MB", ...of("mb"), theirs: [], peer: "", target: { atMost: 90 } },
		{ name: "memory of an idle proxy", unit: "MB", ...of("mb") },
	];
}
