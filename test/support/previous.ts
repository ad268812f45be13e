import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { temporaryFolder } from "./served.ts";

/** Last commit whose stores version 0.1.0 can open, which stands for the previous build. */
const commit = "f3b755bef09fb4ba083eef57a5085c0eabdd61fb";

/**
 * Takes the previous build's source out of the history, to be run from a folder of its own with the packages of today.
 * Returns undefined where the history is missing, as in a shallow clone.
 */
export function previousBuild(): { command: string; remove(): void } | undefined {
	const archive = spawnSync("git", ["archive", commit, "server", "shared", "client", "package.json"], {
		maxBuffer: 100_000_000,
	});
	if (archive.status !== 0) return undefined;
	const folder = temporaryFolder();
	const path = join(folder.path, "previous");
	mkdirSync(path);
	const unpacked = spawnSync("tar", ["-x", "-C", path], { input: archive.stdout });
	if (unpacked.status !== 0) throw new Error(`the previous build cannot be unpacked: ${unpacked.stderr}`);
	symlinkSync(resolve("node_modules"), join(path, "node_modules"));
	return { command: join(path, "server/cli.ts"), remove: folder.remove };
}
