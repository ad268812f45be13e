import resolve from "@rollup/plugin-node-resolve";
import terser from "@rollup/plugin-terser";

/** What `createTracker` alone weighs in an app that bundles it, idb-keyval included. */
export default {
	input: "test/size/create-tracker.js",
	plugins: [resolve({ browser: true }), terser({ ecma: 2020, module: true })],
	output: { file: "test-results/create-tracker.js", format: "es" },
};
