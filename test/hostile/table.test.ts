import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { guards } from "./guards.ts";
import { guardsIn, readSources } from "./removal.ts";

const rows = [...readFileSync("SECURITY.md", "utf8").matchAll(/^\| (.+?) \| (.+?) \| (\w+) \|$/gm)]
	.map(([, threat = "", , file = ""]) => ({ threat, file }))
	.filter(({ threat }) => threat !== "threat");

/** Names of all tests of threats, each with its file. */
const tests = globSync("test/hostile/*.test.ts")
	.map((path) => ({ path, file: path.replace(/^.*\/(\w+)\.test\.ts$/, "$1") }))
	.filter(({ file }) => !["table", "removal", "properties"].includes(file))
	.flatMap(({ path, file }) => {
		const names = readFileSync(path, "utf8").matchAll(/^\t+"([^"\n]+)": (?:async |\()|^test\("([^"\n]+)"/gm);
		return [...names].map(([, row, alone]) => ({ threat: row ?? alone ?? "", file }));
	});
const sorted = (threats: { threat: string; file: string }[]) =>
	threats.map(({ threat, file }) => `${file}: ${threat}`).toSorted();

test("every threat of SECURITY.md has a test, and every test a threat", () => {
	expect(rows.length).toBeGreaterThan(60);
	expect(sorted(tests)).toEqual(sorted(rows));
});

test("every threat has guards, or a reason why it has none", () => {
	expect(Object.keys(guards).toSorted()).toEqual(rows.map(({ threat }) => threat).toSorted());
});

test("every guard of a threat is marked in the source, once, and every marked guard has a threat", () => {
	const used = Object.values(guards).flatMap((removals) => (typeof removals === "string" ? [] : Object.keys(removals)));
	const marked = guardsIn(readSources()).map(({ id }) => id);
	expect(marked.toSorted()).toEqual([...new Set(used)].toSorted());
});
