import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { transformSync } from "esbuild";
import { expect, test } from "vitest";
import { guards } from "./guards.ts";
import { guardOf, guardsIn, nodesIn, type Removal, readSources, type Sources, withoutGuards } from "./removal.ts";

const sources = readSources();
const removals = Object.values(guards).flatMap((of) => (typeof of === "string" ? [] : Object.entries(of)));

/** Text of the file that a guard is in. */
const sourceOf = (id: string) => sources.get(guardsIn(sources).find((each) => each.id === id)?.path ?? "") ?? "";
/** Prints code without types, comments and formatting. */
const printed = (code: string) => transformSync(code, { loader: "ts", minifyWhitespace: true }).code;
/** Prints the one file that a guard is in, without the guard. */
const unguarded = (from: Sources, id: string, remove: Removal) =>
	[...withoutGuards(from, { [id]: remove }).values()].map(printed);

test("each guard can be taken out, which changes the code", () => {
	for (const [id, remove] of removals) expect(unguarded(sources, id, remove), id).not.toEqual([printed(sourceOf(id))]);
});

test("a guard is still found after its code has been reformatted", () => {
	const folder = mkdtempSync(join(tmpdir(), "eventferry-narrow-"));
	try {
		for (const path of new Set(guardsIn(sources).map((each) => each.path))) cpSync(path, join(folder, path));
		execFileSync(resolve("node_modules/.bin/biome"), ["format", "--write", "--line-width=20", "."], { cwd: folder });
		const narrow = new Map(
			globSync("**/*.ts", { cwd: folder }).map((path) => [path, readFileSync(join(folder, path), "utf8")]),
		);
		expect(narrow.get("server/ingest/token.ts")).toMatch(/\{\n\t+algorithms:/);
		for (const [id, remove] of removals)
			expect(unguarded(narrow, id, remove), id).toEqual(unguarded(sources, id, remove));
	} finally {
		rmSync(folder, { recursive: true });
	}
});

/** Renames all variables, parameters, functions and fields of a name. */
function renamed(source: string, name: string): string {
	const starts = nodesIn(source).flatMap((node) =>
		node.type === "Identifier" && node.name === name ? [node.start] : [],
	);
	return [...new Set(starts)]
		.toSorted((a, b) => b - a)
		.reduce((text, start) => `${text.slice(0, start)}${name}2${text.slice(start + name.length)}`, source);
}

test("a guard is still found after its file has moved and any name but a library's has changed", () => {
	const needed = new Set<string>();
	for (const [id, remove] of removals) {
		const source = sourceOf(id);
		const guard = guardOf(source, id);
		const within = nodesIn(source).filter(({ start, end }) => start >= guard.start && end <= guard.end);
		const names = within.flatMap(({ type, name }) => (type === "Identifier" ? [String(name)] : []));
		for (const name of new Set(names)) {
			try {
				withoutGuards(new Map([["elsewhere.ts", renamed(source, name)]]), { [id]: remove });
			} catch {
				needed.add(name);
			}
		}
	}
	const ofLibraries = {
		node: ["Buffer", "filter", "find", "from", "map", "maxOutputLength", "redirect", "update"],
		jose: ["algorithms", "exp"],
		zod: ["z", "number", "max"],
	};
	expect([...needed].toSorted()).toEqual(Object.values(ofLibraries).flat().toSorted());
});
