import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, relative } from "node:path";
import resolve from "@rollup/plugin-node-resolve";
import terser from "@rollup/plugin-terser";
import esbuild from "rollup-plugin-esbuild";
import { minify } from "uglify-js";
import { named } from "./rollup.names.mjs";

const clientTypescript = esbuild({ target: "es2021", tsconfig: "client/tsconfig.json" });
/** Options with which the result is smallest after Brotli. Measured: try them anew after large changes. */
const compress = {
	passes: 3,
	inline: 1,
	loops: false,
	conditionals: false,
	// Unsafe for code that tells a function from a method or a template from a sum, as ours does not.
	unsafe: true,
	unsafe_arrows: true,
	negate_iife: false,
	// Numbers instead of true and false. No value that is compared with a variable, or handed to the page, is a boolean.
	booleans_as_integers: true,
};
/** Options with which `adopt` is smaller, and the tracker is not. */
const adoptCompress = { lhs_constants: false, conditionals: true };
/**
 * Plugin that declares every variable with `let`. One word for all compresses better, and nothing assigns to a constant,
 * as TypeScript has checked.
 */
const letOnly = { name: "let-only", renderChunk: (code) => code.replaceAll(/\bconst\b/g, "let") };
/**
 * Names of properties to shorten. They begin with `_` and belong to our own objects, which never leave the page.
 * `builtins` allows short names that are also DOM properties, such as `x`.
 */
const internal = /^_[a-z]/;
const minified = (module, more) =>
	terser({
		ecma: 2020,
		module,
		compress: { ...compress, ...more },
		mangle: { properties: { regex: internal, builtins: true } },
	});
/** Plugin that minifies the output of terser once more. After Brotli this saves 1.5 % of the tracker, and nothing of `adopt`. */
const minifiedAgain = (module, preamble) => ({
	name: "minify-again",
	renderChunk(code) {
		const compress = { passes: 3, inline: 1, loops: false, unsafe: true, varify: false, reduce_funcs: false };
		const { code: smaller, error } = minify(code, { module, compress, output: { preamble } });
		if (error) throw error;
		return smaller;
	},
});
/**
 * Comment that makes Chromium compile all functions ahead, on another thread, which halves the time of the start.
 * https://v8.dev/blog/explicit-compile-hints
 */
const compileHint = "//# allFunctionsCalledOnLoad";
const consoleTypescript = esbuild({
	target: "es2022",
	tsconfig: "server/console/page/tsconfig.json",
	jsx: "automatic",
	jsxImportSource: "preact",
});

const read = (path) => readFileSync(path, "utf8");

/** Plugin that writes files beside the bundle, each of them joined from other files. */
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

/** Folder of the package that a module belongs to. Undefined for our own modules. */
const packageOf = (id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0];

/** Name and licence of a package, with the licence's text, which has to be shipped with its code. */
function licenseOf(folder) {
	const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
	const texts = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)(\.\w+)?$/i.test(file));
	if (texts.length === 0) throw new Error(`${name} has no licence file to ship with its code`);
	const text = texts.map((file) => readFileSync(`${folder}/${file}`, "utf8").trim()).join("\n\n");
	return `${name} ${version} (${license})\n\n${text}\n`;
}

/** Plugin that writes the licences of all packages in a bundle to a file beside it. */
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

/**
 * Plugin that takes parts of Node without an `import`, which would read all that they export: that of `node:http` loads
 * Node's `fetch`, that of `node:fs` its streams. Older Nodes lack the function, and get their message from a file that
 * imports `node:module` alone.
 */
const lazyBuiltins = {
	name: "lazy-builtins",
	renderChunk: (code) =>
		code.replaceAll(
			/^import (?:\* as )?(\w+|{.+}) from '(node:(?!module)[\w/]+)';$/gm,
			(_, names, id) => `const ${names.replaceAll(" as ", ": ")} = process.getBuiltinModule("${id}");`,
		),
};

/** Plugin that keeps the meaning of `import.meta.url`: the place of the module's own file in `dist/`. */
const inPlace = {
	name: "in-place",
	resolveImportMeta(property, { moduleId, chunkId }) {
		if (property !== "url" || !moduleId.endsWith(".ts")) return null;
		const place = relative(dirname(`dist/server/${chunkId}`), `dist/${relative("", moduleId).replace(/ts$/, "js")}`);
		return `new URL(${JSON.stringify(place)}, import.meta.url).href`;
	},
};

/** Bundles of the client, the server and the console's page. `tsc` writes the types. */
export default [
	{
		input: "client/index.ts",
		external: ["idb-keyval"],
		plugins: [clientTypescript, letOnly, minified(true), minifiedAgain(true)],
		output: { file: "dist/client/index.js", format: "es" },
	},
	{
		input: "client/adopt.ts",
		plugins: [clientTypescript, letOnly, minified(true, adoptCompress)],
		output: { file: "dist/client/adopt.js", format: "es" },
	},
	{
		input: "client/adopt-tag.ts",
		plugins: [clientTypescript, letOnly, minified(false, adoptCompress), named("dist/adopt.js")],
		output: { file: "dist/adopt.js", format: "iife", strict: false },
	},
	{
		input: "client/react.ts",
		external: ["react"],
		plugins: [clientTypescript],
		// Frameworks with React Server Components render a module on the server unless it has this directive.
		// https://react.dev/reference/rsc/use-client
		output: { file: "dist/client/react.js", format: "es", banner: '"use client";' },
	},
	{
		input: "client/snippet.ts",
		plugins: [
			resolve({ browser: true }),
			clientTypescript,
			letOnly,
			minified(false),
			minifiedAgain(false, compileHint),
			named("dist/client.js"),
			licenses,
		],
		output: { file: "dist/client.js", format: "iife", strict: false },
	},
	{
		// Few files, as each costs half a millisecond of the start. zod is in them: its package loads 50 languages.
		input: Object.fromEntries(
			["index", "cli", "sandbox/index", "outbox/sqlite/thread"].map((name) => [name, `server/${name}.ts`]),
		),
		external: (id) => isBuiltin(id) || /^(?!zod$)[a-z]/.test(id),
		plugins: [
			resolve({ exportConditions: ["node"] }),
			// It also escapes what is not ASCII: V8 keeps other texts in twice the memory.
			esbuild({ target: "es2023", tsconfig: "server/tsconfig.json", include: /\.[jt]s$/, exclude: [] }),
			lazyBuiltins,
			inPlace,
			licenses,
		],
		treeshake: { moduleSideEffects: "no-external" },
		output: { dir: "dist/server", chunkFileNames: "[name]-[hash].js", hoistTransitiveImports: false },
	},
	{
		input: "server/console/page/main.tsx",
		plugins: [
			resolve({ browser: true }),
			consoleTypescript,
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
