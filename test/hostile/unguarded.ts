import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { guards } from "./guards.ts";

/**
 * `npm run hostile:unguarded [-- WORDS]`: takes each guard out of a copy of the source, attacks what is left, and says
 * whether the threat's test has failed, as it must; of the threats that hold these words, or of all.
 */
const words = process.argv.slice(2).join(" ");
const copy = mkdtempSync(join(tmpdir(), "eventferry-unguarded-"));
for (const each of ["client", "server", "shared", "test", "dist", "package.json", "tsconfig.json", "vitest.config.ts"])
	cpSync(each, join(copy, each), { recursive: true });
symlinkSync(resolve("node_modules"), join(copy, "node_modules"));

interface Report {
	testResults: { assertionResults: { title: string; status: string; failureMessages: string[] }[] }[];
}

/** What became of a threat's test in the copy. */
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

let surviving = 0;
try {
	for (const [threat, removals] of Object.entries(guards)) {
		if (typeof removals === "string" || !threat.includes(words)) continue;
		const before = new Map(removals.map(({ file }) => [file, readFileSync(join(copy, file), "utf8")]));
		for (const { file, guard, without } of removals) {
			const source = readFileSync(join(copy, file), "utf8");
			if (!source.includes(guard)) throw new Error(`${file} has no ${guard}`);
			writeFileSync(
				join(copy, file),
				source.replaceAll(guard, () => without),
			);
		}
		const { status, why } = attack(threat);
		for (const [file, source] of before) writeFileSync(join(copy, file), source);
		if (status !== "failed") surviving += 1;
		process.stdout.write(
			`${status === "failed" ? "seen to fail" : `STILL ${status.toUpperCase()}`}  ${threat}\n              ${why}\n`,
		);
	}
} finally {
	rmSync(copy, { recursive: true });
}
process.exitCode = surviving > 0 ? 1 : 0;
