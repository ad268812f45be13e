import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { guards } from "./guards.ts";

const rows = [...readFileSync("SECURITY.md", "utf8").matchAll(/^\| (.+?) \| (.+?) \| (\w+) \|$/gm)]
	.map(([, threat = "", , file = ""]) => ({ threat, file }))
	.filter(({ threat }) => threat !== "threat");

/** The names of the tests in the suite's files, with the file. */
const tests = globSync("test/hostile/*.test.ts").flatMap((path) => {
	const file = path.replace(/^.*\/(\w+)\.test\.ts$/, "$1");
	const source = readFileSync(path, "utf8");
	const names = source.matchAll(/^\t+"([^"\n]+)": (?:async |\()|^test\("([^"\n]+)"/gm);
	return [...names].map(([, row, alone]) => ({ threat: row ?? alone ?? "", file }));
});
const sorted = (threats: { threat: string; file: string }[]) =>
	threats.map(({ threat, file }) => `${file}: ${threat}`).toSorted();

test("SECURITY.md's threats are the suite's", () => {
	expect(rows.length).toBeGreaterThan(60);
	expect(sorted(rows)).toEqual(sorted(tests.filter(({ file }) => file !== "table" && file !== "properties")));
});

test("each threat has a guard that can be taken out, or says why there is none", () => {
	expect(Object.keys(guards).toSorted()).toEqual(rows.map(({ threat }) => threat).toSorted());
	for (const [threat, removals] of Object.entries(guards)) {
		if (typeof removals === "string") continue;
		for (const { file, guard } of removals)
			expect(readFileSync(file, "utf8").includes(guard), `${threat}: ${file} has no ${guard}`).toBe(true);
	}
});
