/**
 * Runs test files once more in which a test failed or whose process was lost, after `npm test` wrote its results as
 * JSON. A shared machine can be too slow for a test once, not twice. Writes how many tests passed and failed, and their
 * names, as JSON, and ends with 1 if a test failed twice.
 */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

interface TestFile {
	name: string;
	status: "passed" | "failed";
	assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
}

const [first = "", second = "", summary = ""] = process.argv.slice(2);
const read = (path: string): TestFile[] => (existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).testResults : []);

/** Returns the tests of a status, each with its file. */
const testsOf = (files: TestFile[], status: string) =>
	files.flatMap(({ name, assertionResults }) =>
		assertionResults.filter((test) => test.status === status).map((test) => ({ name, ...test })),
	);

const done = read(first).filter(({ status }) => status === "passed");
const again = globSync("test/**/*.test.ts")
	.map((path) => resolve(path))
	.filter((path) => !done.some(({ name }) => name === path));
if (again.length > 0) {
	process.stdout.write(`once more, as a test failed or a process was lost:\n${again.join("\n")}\n`);
	const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${second}`];
	spawnSync(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...again, ...reporters], { stdio: "inherit" });
}
const repeated = again.length > 0 ? read(second) : [];
const failed = testsOf(repeated, "failed");
const passedNow = repeated.filter(({ status }) => status === "passed").map(({ name }) => name);
const lost = again.filter((path) => !passedNow.includes(path) && !failed.some(({ name }) => name === path));
const words = {
	"passed at the second try": testsOf(read(first), "failed").filter(({ name }) => passedNow.includes(name)),
	"failed twice": failed,
};
const lines = Object.entries(words).flatMap(([outcome, tests]) =>
	tests.map(({ name, fullName, failureMessages: [why = ""] }) => `${outcome}: ${name}: ${fullName}\n${why}`),
);
writeFileSync(
	summary,
	JSON.stringify({
		passed: testsOf([...done, ...repeated], "passed").length,
		failed: failed.length + lost.length,
		lines: [...lines, ...lost.map((path) => `no result: ${path}`)],
	}),
);
process.exitCode = failed.length + lost.length > 0 ? 1 : 0;
