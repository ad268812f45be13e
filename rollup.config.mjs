import resolve from "@rollup/plugin-node-resolve";
import terser from "@rollup/plugin-terser";
import esbuild from "rollup-plugin-esbuild";

const typescript = esbuild({ target: "es2021", tsconfig: "client/tsconfig.json" });
const minified = (module) => terser({ ecma: 2020, module, compress: { passes: 3, inline: 1 } });

/** The browser's half. The server's half needs no bundling: `tsc` writes it. */
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
];
