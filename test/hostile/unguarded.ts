import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { guards } from "./guards.ts";
import { readSources, withoutGuards } from "./removal.ts";

/**
 * `npm run hostile:unguarded [-- WORDS]`: takes the guards of one threat at a time out of a copy of the source, and runs
 * the threat's test there. Exits with 1 if a test does not fail. WORDS select the threats that contain them; default all.
 */
const words = process.argv.slice(2).join(" ");
const copy = mkdtempSync(join(tmpdir(), "eventferry-unguarded-"));
for (const each of [
	"client",
	"server",
	"shared",
	"test",
	"dist",
	"docs",
	"package.json",
	"tsconfig.json",
	"vitest.config.ts",
])
	cpSync(each, join(copy, each), { recursive: true });
symlinkSync(resolve("node_modules"), join(copy, "node_modules"));

interface Report {
	testResults: { assertionResults: { title: string; status: string; failureMessages: string[] }[] }[];
}

/** Runs a threat's test against the copy. Returns its status, and the first line of the reason why it failed. */
function attack(threat: string): { status: string; why: string } {
	const { stdout } = spawnSync(
		process.execPath,
		[
			"node_modules/vitest/vitest.mjs",
			"run",
			"test/hostile",
			"-t",
			`${threat.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`,
			"--reporter=json",
		],
		{ cwd: copy, encoding: "utf8", env: { ...process.env, EVENTFERRY_COMMAND: "server/cli.ts" } },
	);
	const report: Report = JSON.parse(stdout.slice(stdout.indexOf("{")));
	const results = report.testResults.flatMap(({ assertionResults }) => assertionResults);
	const result = results.find(({ title, status }) => title === threat && ["passed", "failed"].includes(status));
	const [why = ""] = result?.failureMessages ?? [];
	return { status: result?.status ?? "not run", why: why.split("\n")[0]?.slice(0, 120) ?? "" };
}

const startedAt = performance.now();
const sources = readSources();
let attacked = 0;
let surviving = 0;
try {
	for (const [threat, removals] of Object.entries(guards)) {
		if (typeof removals === "string" || !threat.includes(words)) continue;
		const changed = withoutGuards(sources, removals);
		for (const [path, source] of changed) writeFileSync(join(copy, path), source);
		const { status, why } = attack(threat);
		for (const path of changed.keys()) writeFileSync(join(copy, path), sources.get(path) ?? "");
		attacked += 1;
		if (status !== "failed") surviving += 1;
		process.stdout.write(
			`${status === "failed" ? "seen to fail" : `STILL ${status.toUpperCase()}`}  ${threat}\n              ${why}\n`,
		);
	}
} finally {
	rmSync(copy, { recursive: true });
}
const seconds = Math.round((performance.now() - startedAt) / 1_000);
process.stdout.write(`${attacked} threats without their guards, ${surviving} of them not seen to fail, ${seconds} s\n`);
process.exitCode = surviving > 0 || attacked === 0 ? 1 : 0;
