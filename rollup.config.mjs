import { readFileSync } from "node:fs";
import resolve from "@rollup/plugin-node-resolve";
import terser from "@rollup/plugin-terser";
import esbuild from "rollup-plugin-esbuild";

const typescript = esbuild({ target: "es2021", tsconfig: "client/tsconfig.json" });
const minified = (module) => terser({ ecma: 2020, module, compress: { passes: 3, inline: 1 } });
const page = esbuild({
	target: "es2022",
	tsconfig: "server/console/page/tsconfig.json",
	jsx: "automatic",
	jsxImportSource: "preact",
});

const read = (path) => readFileSync(path, "utf8");

/** Puts files beside the bundle, each made of others. */
const alsoEmit = (files) => ({
	name: "also-emit",
	buildStart() {
		for (const path of Object.values(files).flat()) this.addWatchFile(path);
	},
	generateBundle() {
		for (const [fileName, paths] of Object.entries(files)) {
			this.emitFile({ type: "asset", fileName, source: paths.map(read).join("\n") });
		}
	},
});

/** What is bundled may be passed on with its licence. */
const licences = (packages) =>
	packages.map((name) => `/*!\n${name}\n\n${read(`node_modules/${name}/LICENSE`).trim()}\n*/`).join("\n");

/** The browser's half, and the console's page. The server's half needs no bundling: `tsc` writes it. */
export default [
	{
		input: "client/index.ts",
		external: ["idb-keyval"],
		plugins: [typescript, minified(true)],
		output: { file: "dist/client/index.js", format: "es", sourcemap: true },
	},
	{
		input: "client/snippet.ts",
		plugins: [resolve({ browser: true }), typescript, minified(false)],
		output: { file: "dist/client.js", format: "iife", strict: false },
	},
	{
		input: "server/console/page/main.tsx",
		plugins: [
			resolve({ browser: true }),
			page,
			terser({ ecma: 2020, format: { comments: /^!/ } }),
			alsoEmit({
				"console.html": ["server/console/page/console.html"],
				"console.css": ["node_modules/uplot/dist/uPlot.min.css", "server/console/page/console.css"],
			}),
		],
		output: { file: "dist/server/console/page/console.js", format: "iife", banner: licences(["preact", "uplot"]) },
	},
];
