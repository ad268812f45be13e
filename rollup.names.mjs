import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { analyze } from "eslint-scope";
import { parseAst } from "rollup/parseAst";

/** File with the names that `npm run names` has found, by bundle. */
export const namesFile = "rollup.names.json";

/** Identifies a bundle's code. Rollup may have ended it with a line break. */
export const hashOf = (code) => createHash("sha256").update(code.trimEnd()).digest("hex").slice(0, 16);

/**
 * Lists the keys of properties `key: variable` and `variable` of object literals and patterns, by the place of the
 * variable. Gives each node the `range` that the analysis of scopes needs.
 */
function keysOf(node, found = new Map()) {
	if (node?.type) node.range = [node.start, node.end];
	if (node?.type === "Property" && !node.computed && node.key.type === "Identifier") {
		const variable = node.value.type === "AssignmentPattern" ? node.value.left : node.value;
		if (variable.type === "Identifier") found.set(variable.start, node.key);
	}
	for (const child of Object.values(node ?? {})) if (typeof child === "object") keysOf(child, found);
	return found;
}

/**
 * Finds the variables of a script and all places that name them. `text(names)` is the script with other names. Two
 * variables are `rivals` if somewhere both are in sight, so that they need different names.
 */
export function readVariables(code) {
	const ast = parseAst(code);
	const keys = keysOf(ast);
	const variables = [];
	for (const scope of analyze(ast, { ecmaVersion: 2022, sourceType: "script" }).scopes) {
		if (scope.type === "global") continue;
		for (const { name, identifiers, references } of scope.variables) {
			// A function that never names its `arguments` has them all the same.
			if (identifiers.length === 0) continue;
			const inSight = new Set([scope]);
			for (const { from } of references) for (let at = from; at !== scope; at = at.upper) inSight.add(at);
			const starts = [...identifiers, ...references.map(({ identifier }) => identifier)].map(({ start }) => start);
			variables.push({ name, inSight, starts: [...new Set(starts)].toSorted((a, b) => a - b) });
		}
	}
	variables.sort((a, b) => a.starts[0] - b.starts[0]);
	const places = variables
		.flatMap(({ name, starts }, variable) =>
			starts.map((start) => {
				const key = keys.get(start);
				return { variable, key: key?.name, start: Math.min(start, key?.start ?? start), end: start + name.length };
			}),
		)
		.toSorted((a, b) => a.start - b.start);
	const between = places.map(({ start }, index) => code.slice(places[index - 1]?.end ?? 0, start));
	const rest = code.slice(places.at(-1)?.end ?? 0);
	const text = (names) =>
		places
			.map(({ variable, key }, index) => {
				const name = names[variable];
				return between[index] + (key === undefined || key === name ? name : `${key}:${name}`);
			})
			.join("") + rest;
	const rivals = variables.map(({ inSight }, variable) =>
		variables.flatMap((other, index) => (index !== variable && !other.inSight.isDisjointFrom(inSight) ? [index] : [])),
	);
	return { names: variables.map(({ name }) => name), places, rivals, text };
}

/**
 * Plugin that gives the variables of a bundle shorter names after Brotli than a minifier does, which cannot try them out.
 * They are only for the code that they were found for: any other keeps the minifier's.
 */
export const named = (bundle) => ({
	name: "named",
	renderChunk(code) {
		const found = JSON.parse(readFileSync(namesFile, "utf8"))[bundle];
		if (found?.of !== hashOf(code)) {
			this.warn(`${namesFile} has no names for ${bundle} as it is now: \`npm run names\` finds some`);
			return null;
		}
		const { text, places } = readVariables(code);
		const renamed = text(found.names.split(" "));
		const same = readVariables(renamed).places;
		if (same.length !== places.length || !places.every(({ variable }, index) => same[index].variable === variable)) {
			throw new Error(`${namesFile} mixes up variables of ${bundle}`);
		}
		return renamed;
	},
});
