/**
 * Runs the tests of the store and of the proxy on the oldest Node of each line that package.json promises, and on the
 * newest one. npm installs them. A Node that npm cannot install, for example without a network, is skipped.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const tests = [
	"unit/outbox/sqlite",
	"contracts/http",
	"contracts/mounting",
	"contracts/request-log",
	"contracts/sites",
];
const { engines } = JSON.parse(readFileSync("package.json", "utf8"));
const oldest: string[] = engines.node.match(/\d+\.\d+/g);

/** Installs a Node and returns its path, or undefined if npm cannot fetch it now. Throws if the version does not exist. */
function install(version: string): string | undefined {
	const args = ["exec", "--yes", `--package=node@${version}`, "--", "node", "-p", "process.execPath"];
	const env = { ...process.env, npm_config_fetch_retries: "1", npm_config_fetch_retry_mintimeout: "1000" };
	const { status, stdout, stderr } = spawnSync("npm", args, { encoding: "utf8", env });
	if (status === 0) return stdout.trim();
	const code = /^npm error code (\w+)/m.exec(stderr)?.[1];
	if (code === undefined || ["E404", "ETARGET"].includes(code)) throw new Error(stderr);
	process.stdout.write(`Node ${version} is skipped, as npm cannot install it: ${code}\n`);
	return undefined;
}

/** Runs the tests; returns true if all passed. */
function runTests(node: string): boolean {
	return spawnSync(node, ["node_modules/vitest/vitest.mjs", "run", ...tests], { stdio: "inherit" }).status === 0;
}

for (const version of [...oldest, "latest"]) {
	const node = install(version);
	if (node === undefined) continue;
	const { stdout } = spawnSync(node, ["--version"], { encoding: "utf8" });
	process.stdout.write(`\nNode ${stdout.trim()} (${version}): ${tests.join(", ")}\n`);
	// Node 24.7 was seen to end with SIGSEGV beside the many short threads of the store's tests, not twice in a row.
	if (!runTests(node) && !runTests(node)) process.exitCode = 1;
}
