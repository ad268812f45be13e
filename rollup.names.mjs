import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { analyze } from "eslint-scope";
import { parseAst } from "rollup/parseAst";

/** File with the names that `npm run names` has found: for each bundle the hash of its code (`of`), and a name for each variable. */
export const namesFile = "rollup.names.json";

/** Returns the hash of a bundle's code, without the line break with which Rollup may end it. */
export const hashOf = (code) => createHash("sha256").update(code.trimEnd()).digest("hex").slice(0, 16);

/**
 * Finds the keys of properties such as `key: variable` or `variable`, in object literals and patterns, by the place of
 * the variable in the code. Gives each node the `range` that eslint-scope needs.
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
 * Finds the variables of a script and all places that name them. `text(names)` returns the script with other names. Two
 * variables are `rivals` if a scope needs both, so that they must have different names.
 */
export function readVariables(code) {
	const ast = parseAst(code);
	const keys = keysOf(ast);
	const variables = [];
	for (const scope of analyze(ast, { ecmaVersion: 2022, sourceType: "script" }).scopes) {
		if (scope.type === "global") continue;
		for (const { name, identifiers, references } of scope.variables) {
			// `arguments` is declared nowhere, and keeps its name.
			if (identifiers.length === 0) continue;
			const neededIn = new Set([scope]);
			for (const { from } of references) for (let at = from; at !== scope; at = at.upper) neededIn.add(at);
			const starts = [...identifiers, ...references.map(({ identifier }) => identifier)].map(({ start }) => start);
			variables.push({ name, neededIn, starts: [...new Set(starts)].toSorted((a, b) => a - b) });
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
	const rivals = variables.map(({ neededIn }, variable) =>
		variables.flatMap((other, index) =>
			index !== variable && !other.neededIn.isDisjointFrom(neededIn) ? [index] : [],
		),
	);
	return { names: variables.map(({ name }) => name), places, rivals, text };
}

/**
 * Plugin that gives the variables of a bundle the names from `npm run names`, which compress better than the minifier's.
 * If the code has changed since they were found, it keeps the minifier's names.
 */
export const named = (bundle) => ({
	name: "named",
	renderChunk(code) {
		const found = JSON.parse(readFileSync(namesFile, "utf8"))[bundle];
		if (found?.of !== hashOf(code)) {
			this.warn(`${namesFile} has no names for the present code of ${bundle}: run \`npm run names\``);
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
