/**
 * Finds names for the variables of the bundles with which they are smaller after Brotli, by trying: renames one variable
 * after another, and keeps what is no larger, or hardly. `npm run names -- --seconds 600` takes 10 min for each bundle. It goes on
 * from the names that it has found for the same code before.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { brotliCompressSync } from "node:zlib";
import { rollup } from "rollup";
import { loadConfigFile } from "rollup/loadConfigFile";
import { hashOf, namesFile, readVariables } from "../../rollup.names.mjs";

const print = (line: string) => process.stdout.write(`${line}\n`);
const letters = [..."etnraiolsducpwfygmhvbkSLMTxEIjNRACDKPUqzBJZFGHOQVWXY$_"];

/** Builds a bundle up to the plugin that gives it its names. */
async function buildWithoutNames(bundle: string): Promise<string> {
	const { options } = await loadConfigFile("rollup.config.mjs", {});
	const entry = options.find(({ output }) => output.some(({ file }) => file === bundle));
	if (entry === undefined) throw new Error(`rollup.config.mjs has no ${bundle}`);
	const plugins = (entry.plugins as { name: string }[]).filter(({ name }) => name !== "named" && name !== "licenses");
	const { output } = await (await rollup({ ...entry, plugins })).generate(entry.output[0] ?? {});
	return output[0].code;
}

/**
 * Swaps two names among a variable, those of its rivals that have the new name, their rivals that have the old one, and so
 * on, so that no two variables in sight of each other end up with the same name.
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

/** Searches for `seconds` for each bundle, and writes what it has found. */
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
			// A step back now and then leads out of dead ends.
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
