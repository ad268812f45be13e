/**
 * Searches names for the variables of the bundles that make the bundles smaller after Brotli. Renames one variable after
 * another, and keeps a name unless it makes the bundle larger. Begins with the names found before for the same code.
 * `npm run names -- --seconds 600` takes 10 min for each bundle.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { brotliCompressSync } from "node:zlib";
import { rollup } from "rollup";
import { loadConfigFile } from "rollup/loadConfigFile";
import { hashOf, namesFile, readVariables } from "../../rollup.names.mjs";

const print = (line: string) => process.stdout.write(`${line}\n`);
const letters = [..."etnraiolsducpwfygmhvbkSLMTxEIjNRACDKPUqzBJZFGHOQVWXY$_"];

/** Builds a bundle in which the variables have the minifier's names. */
async function buildWithoutNames(bundle: string): Promise<string> {
	const { options } = await loadConfigFile("rollup.config.mjs", {});
	const entry = options.find(({ output }) => output.some(({ file }) => file === bundle));
	if (entry === undefined) throw new Error(`rollup.config.mjs has no ${bundle}`);
	const plugins = (entry.plugins as { name: string }[]).filter(({ name }) => name !== "named" && name !== "licenses");
	const { output } = await (await rollup({ ...entry, plugins })).generate(entry.output[0] ?? {});
	return output[0].code;
}

/**
 * Gives a variable a new name. Its rivals with the new name get the old one, their rivals with the old name get the new
 * one, and so on, so that no two rivals end up with the same name.
 */
export function swapped(
	names: readonly string[],
	rivals: readonly number[][],
	variable: number,
	name: string,
): string[] {
	const old = names[variable] ?? "";
	const swap = new Set([variable]);
	for (const each of swap) {
		const taken = names[each] === old ? name : old;
		for (const rival of rivals[each] ?? []) if (names[rival] === taken) swap.add(rival);
	}
	return names.map((each, index) => (swap.has(index) ? (each === old ? name : old) : each));
}

type Found = Record<string, { of: string; names: string }>;

/** Searches for a number of seconds for each bundle, and writes the names to the file. */
async function search(seconds: number): Promise<void> {
	const known: Found = JSON.parse(readFileSync(namesFile, "utf8"));
	for (const bundle of Object.keys(known)) {
		const code = await buildWithoutNames(bundle);
		const { names: own, rivals, text } = readVariables(code);
		const of = hashOf(code);
		let names = known[bundle]?.of === of ? known[bundle].names.split(" ") : own;
		const size = (tried: string[]) => brotliCompressSync(text(tried)).length;
		let bytes = size(names);
		let [best, found] = [bytes, names];
		print(`${bundle}: ${size(own)} B by the minifier, ${best} B so far`);
		const end = Date.now() + seconds * 1_000;
		while (Date.now() < end) {
			const variable = Math.floor(Math.random() * names.length);
			// Frequent letters are tried more often.
			const name = letters[Math.floor(Math.random() ** 1.5 * letters.length)] ?? "";
			if (name === names[variable]) continue;
			const tried = swapped(names, rivals, variable, name);
			const after = size(tried);
			// A slightly larger bundle is kept now and then: it leads out of dead ends.
			if (after > bytes && (after > best + 2 || Math.random() > 0.02)) continue;
			[bytes, names] = [after, tried];
			if (bytes < best) print(`${bundle}: ${bytes} B`);
			if (bytes <= best) [best, found] = [bytes, names];
		}
		known[bundle] = { of, names: found.join(" ") };
		writeFileSync(namesFile, `${JSON.stringify(known, null, "\t")}\n`);
	}
}

if (import.meta.main) {
	const { values } = parseArgs({ options: { seconds: { type: "string", default: "300" } } });
	await search(Number(values.seconds));
}
