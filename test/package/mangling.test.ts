import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type OutputOptions, type Plugin, type RollupOptions, rollup } from "rollup";
import { parseAst } from "rollup/parseAst";
import { describe, expect, test } from "vitest";

interface Node {
	type: string;
	name?: string;
	computed?: boolean;
	property?: Node;
	key?: Node;
}

/** Names of all properties that a script reads, writes or defines by an identifier. */
function propertiesOf(code: string): string[] {
	const names = new Set<string>();
	const visit = (value: unknown): void => {
		if (typeof value !== "object" || value === null) return;
		const { type, computed, property, key } = value as Node;
		const named = type === "MemberExpression" ? property : type === "Property" ? key : undefined;
		if (named?.type === "Identifier" && named.name && !computed) names.add(named.name);
		Object.values(value).forEach(visit);
	};
	visit(parseAst(code));
	return [...names];
}

const { default: bundles }: { default: RollupOptions[] } = await import(resolve("rollup.config.mjs"));

/** Code of a bundle before terser shortens it. */
async function unmangled(file: string): Promise<string> {
	const options = bundles.find(({ output }) => (output as OutputOptions).file === file) as RollupOptions;
	const plugins = (options.plugins as Plugin[]).filter(({ name }) => name !== "terser");
	const bundle = await rollup({ ...options, plugins });
	const { output } = await bundle.generate({ format: "es" });
	return output[0].code;
}

const isInternal = (name: string) => /^_[a-z]/.test(name);

describe.each(["dist/client.js", "dist/client/index.js"])("the properties in %s", (file) => {
	test("have their own names, except for those that begin with _", async () => {
		const left = propertiesOf(await readFile(file, "utf8"));
		const before = propertiesOf(await unmangled(file));
		expect(before.filter((name) => !isInternal(name) && !left.includes(name))).toEqual([]);
		expect(before.filter(isInternal).length).toBeGreaterThan(10);
		expect(left.filter(isInternal)).toEqual([]);
	});
});
