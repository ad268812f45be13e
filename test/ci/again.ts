/**
 * Runs test files once more that did not pass, or whose process was lost. A shared machine can be too slow for a test
 * once, not twice. Writes how many tests passed and failed, and a line for each that did not pass at once, as JSON, and
 * ends with 1 if a file failed twice. Arguments: the results of the first run, of the second, and the file to write.
 */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Results } from "./results.ts";

const [first = "", second = "", summary = ""] = process.argv.slice(2);
const read = (path: string): Results =>
	existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { files: [], hasOtherError: true };

/** Returns the tests of a state, each with its file. */
const testsOf = ({ files }: Pick<Results, "files">, state: string) =>
	files.flatMap(({ path, tests }) => tests.filter((test) => test.state === state).map((test) => ({ path, ...test })));

const before = read(first);
/** Files that need no second run. An error of no known file may be of any. */
const done = before.hasOtherError ? [] : before.files.filter(({ isPassed }) => isPassed);
const again = globSync("test/**/*.test.ts")
	.map((path) => resolve(path))
	.filter((path) => !done.some((file) => file.path === path));
if (again.length > 0) {
	process.stdout.write(`once more, as a test failed or a process was lost:\n${again.join("\n")}\n`);
	const args = ["node_modules/vitest/vitest.mjs", "run", ...again];
	const reporters = ["--reporter=default", "--reporter=./test/ci/results.ts"];
	const env = { ...process.env, RESULTS: second };
	spawnSync(process.execPath, [...args, ...reporters], { stdio: "inherit", env });
}
const repeated: Results = again.length > 0 ? read(second) : { files: [], hasOtherError: false };
const failed = testsOf(repeated, "failed");
const isPassed = (path: string) => repeated.files.some((file) => file.path === path && file.isPassed);
/** Files that did not pass the second time although none of their tests failed. */
const broken = again.filter((path) => !isPassed(path) && !failed.some((test) => test.path === path));
if (repeated.hasOtherError) broken.push("an error outside of all files");
const outcomes = {
	"passed at the second try": testsOf(before, "failed").filter(({ path }) => isPassed(path)),
	"failed twice": failed,
};
const lines = Object.entries(outcomes).flatMap(([outcome, tests]) =>
	tests.map(({ path, name, why }) => `${outcome}: ${path}: ${name}\n${why}`),
);
writeFileSync(
	summary,
	JSON.stringify({
		passed: testsOf({ files: [...done, ...repeated.files] }, "passed").length,
		failed: failed.length + broken.length,
		lines: [...lines, ...broken.map((path) => `lost, or failed outside of its tests: ${path}`)],
	}),
);
process.exitCode = failed.length + broken.length > 0 ? 1 : 0;
