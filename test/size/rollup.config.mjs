import resolve from "@rollup/plugin-node-resolve";
import terser from "@rollup/plugin-terser";

/** Bundles `createTracker` alone, as an app would, to measure its size with idb-keyval. */
export default {
	input: "test/size/create-tracker.js",
	plugins: [resolve({ browser: true }), terser({ ecma: 2020, module: true })],
	output: { file: "test-results/create-tracker.js", format: "es" },
};
