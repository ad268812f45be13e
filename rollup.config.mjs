import { readdirSync, readFileSync } from "node:fs";
import resolve from "@rollup/plugin-node-resolve";
import terser from "@rollup/plugin-terser";
import esbuild from "rollup-plugin-esbuild";

const typescript = esbuild({ target: "es2021", tsconfig: "client/tsconfig.json" });
/** As what Brotli makes of it is smallest. */
const compress = {
	passes: 3,
	inline: 1,
	hoist_funs: true,
	lhs_constants: false,
	loops: false,
	collapse_vars: false,
	unsafe_arrows: true,
	comparisons: false,
	negate_iife: false,
};
/**
 * Property names to shorten: those of our own objects, which begin with `_` and never leave the page. With `builtins`
 * the short names may be ones that browsers use elsewhere, such as `x`.
 */
const internal = /^_[a-z]/;
const minified = (module, preamble) =>
	terser({
		ecma: 2020,
		module,
		compress,
		format: { preamble },
		mangle: { properties: { regex: internal, builtins: true } },
	});
/** Has Chromium compile all functions before they are called, and on another thread: half of what the start costs. */
const compileHint = "//# allFunctionsCalledOnLoad";
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

/** The folder of the package that a module is of; undefined for our own. */
const packageOf = (id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0];

/** A package's name and licence, with the text that must go wherever its code goes. */
function licenseOf(folder) {
	const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
	const texts = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)(\.\w+)?$/i.test(file));
	if (texts.length === 0) throw new Error(`${name} has no licence file to ship with its code`);
	const text = texts.map((file) => readFileSync(`${folder}/${file}`, "utf8").trim()).join("\n\n");
	return `${name} ${version} (${license})\n\n${text}\n`;
}

/** Writes the licences of the packages that a bundle holds into a file beside it. */
const licenses = {
	name: "licenses",
	generateBundle(_options, bundle) {
		for (const { fileName, modules = {} } of Object.values(bundle)) {
			const used = Object.entries(modules).filter(([, { renderedLength }]) => renderedLength > 0);
			const folders = new Set(used.map(([id]) => packageOf(id)).filter(Boolean));
			if (folders.size === 0) continue;
			const source = [...folders]
				.toSorted()
				.map(licenseOf)
				.join(`\n${"-".repeat(80)}\n\n`);
			this.emitFile({ type: "asset", fileName: `${fileName}.LICENSES.txt`, source });
		}
	},
};

/** The browser's half, and the console's page. The server's half needs no bundling: `tsc` writes it. */
export default [
	{
		input: "client/index.ts",
		external: ["idb-keyval"],
		plugins: [typescript, minified(true)],
		output: { file: "dist/client/index.js", format: "es", sourcemap: true },
	},
	{
		input: "client/react.ts",
		external: ["react"],
		plugins: [typescript],
		// For frameworks that render on a server what does not say that it is for browsers.
		output: { file: "dist/client/react.js", format: "es", banner: '"use client";' },
	},
	{
		input: "client/snippet.ts",
		plugins: [resolve({ browser: true }), typescript, minified(false, compileHint), licenses],
		output: { file: "dist/client.js", format: "iife", strict: false },
	},
	{
		input: "server/console/page/main.tsx",
		plugins: [
			resolve({ browser: true }),
			page,
			terser({ ecma: 2020 }),
			licenses,
			alsoEmit({
				"console.html": ["server/console/page/console.html"],
				"console.css": ["node_modules/uplot/dist/uPlot.min.css", "server/console/page/console.css"],
			}),
		],
		output: { file: "dist/server/console/page/console.js", format: "iife" },
	},
];
