import { readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync } from "node:zlib";
import { rollup } from "rollup";
import { loadConfigFile } from "rollup/loadConfigFile";

const size = (code: string | Buffer) => `${(brotliCompressSync(code).length / 1_000).toFixed(1)} KB`;

/** Puts the sizes of the built files into the README's text. */
export async function withSizes(readme: string): Promise<string> {
	const script = size(readFileSync("dist/client.js"));
	const { options } = await loadConfigFile("test/size/rollup.config.mjs", {});
	const { output } = await (await rollup(options[0] ?? {})).generate({ format: "es" });
	const rows = {
		"the script tag's file": script,
		"`createTracker` from npm, idb-keyval included": size(output[0].code),
		"`/adopt.js`, for all five trackers": size(readFileSync("dist/adopt.js")),
		"`eventferry/react`": size(readFileSync("dist/client/react.js")),
	};
	const replaced = Object.entries(rows).reduce(
		(text, [name, bytes]) => text.replace(new RegExp(`^(\\| ${name} \\| )[^|]* \\|`, "m"), `$1${bytes} |`),
		readme,
	);
	return replaced.replace(/A small snippet \([^)]*\)/, `A small snippet (${script})`);
}

if (import.meta.main) writeFileSync("README.md", await withSizes(readFileSync("README.md", "utf8")));
