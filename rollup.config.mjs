import resolve from "@rollup/plugin-node-resolve";
import terser from "@rollup/plugin-terser";
import esbuild from "rollup-plugin-esbuild";

const typescript = esbuild({ target: "es2020", tsconfig: "client/tsconfig.json" });

/** The browser's half. The server's half needs no bundling: `tsc` writes it. */
export default [
	{
		input: "client/index.ts",
		external: ["idb-keyval"],
		plugins: [typescript],
		output: { file: "dist/client/index.js", format: "es", sourcemap: true },
	},
	{
		input: "client/snippet.ts",
		plugins: [resolve({ browser: true }), typescript, terser({ ecma: 2020, compress: { passes: 3 } })],
		output: { file: "dist/client.js", format: "iife", strict: false },
	},
];
