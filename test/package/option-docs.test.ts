import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** Texts of the doc comments of all properties. */
const docsOf = (source: string): string[] =>
	[...source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*\w+:/g)].map(([, text = ""]) =>
		text.replaceAll(/\s+(\* )?/g, " ").trim(),
	);

test.each([
	"server/config/schema.ts",
	"server/config/site.ts",
	"server/config/destination.ts",
	"server/providers/options.ts",
	...globSync("server/providers/*/options.ts"),
	"server/providers/vibetrace/vibetrace.ts",
])("the types built from %s keep the doc comment of each option, which editors show", (file) => {
	const documented = docsOf(readFileSync(file, "utf8"));
	const built = docsOf(readFileSync(`dist/${file.replace(/\.ts$/, ".d.ts")}`, "utf8"));
	expect(documented.length).toBeGreaterThan(1);
	expect(documented.filter((doc) => !built.includes(doc))).toEqual([]);
});

test("the type of a configuration refers to these types, as a copy of their options would have no comments", () => {
	const built = (name: string) => readFileSync(`dist/server/config/${name}.d.ts`, "utf8");
	expect(built("schema")).not.toMatch(/writeKey|websiteId/);
	expect(built("site")).not.toMatch(/websiteId|maxWait/);
	expect(built("destination")).not.toMatch(/websiteId|createPeople/);
});
