import { expect, test } from "vitest";
import { readVariables } from "../../rollup.names.mjs";
import { swapped } from "../size/names.ts";

const script = `(function(){
	let a = 1, b = (c, { d, e:f = a, ...g }) => { let h = { a, b:c, d }; return [h, f, g, () => { let a = c; return [a, d] }] };
	function i(j) { try { j() } catch (k) { for (let l of [1, 2]) a += l; return [k, arguments.length] } }
	let m = { n() { return a } };
	let [o, p = o] = [3];
	return JSON.stringify([b(4, { d: 5, q: 6 }).map((r) => (typeof r === "function" ? r() : r)), i(() => s), m.n(), o, p])
})()`;
const run = (code: string): string => new Function("s", `return ${code}`)(7);

test("finds every variable and every place that names it", () => {
	const { names, text } = readVariables(script);
	expect(names.toSorted().join("")).toBe("aabcdfghijklmopr");
	expect(text(names)).toBe(script);
	const renamed = text(names.map((_, index) => `$${index}`));
	expect(renamed).toMatch(/d:\$\d+, e:\$\d+ = \$0/);
	expect(run(renamed)).toBe(run(script));
});

test("swaps names so that each place still means the same variable", () => {
	const { names: own, rivals, places, text } = readVariables(script);
	let names = own;
	for (let step = 0; step < 500; step++) {
		const name = "abcdefghijklmnopqr"[(step * 7) % 18] ?? "";
		const variable = (step * 5) % names.length;
		if (names[variable] !== name) names = swapped(names, rivals, variable, name);
		const renamed = text(names);
		expect(readVariables(renamed).places.map((place) => place.variable)).toEqual(places.map((place) => place.variable));
		expect(run(renamed)).toBe(run(script));
	}
	expect(names).not.toEqual(own);
});
