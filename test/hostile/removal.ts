import { globSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { parseAst } from "rollup/parseAst";

/** Matches the comment that marks code as a guard: the statement, operand, argument or property that begins below it. */
const marker = /^[ \t]*\/\/ Guard \(SECURITY\.md\): ([a-z\d-]+)$/gm;

/** Node of an ESTree: https://github.com/estree/estree */
interface Node {
	type: string;
	start: number;
	end: number;
	[field: string]: unknown;
}

/** Takes a guard out: returns the part of its code to replace, and the text to put there. */
export type Removal = (guard: Node, source: string) => { start: number; end: number; text: string };

/** Texts of source files, by path. */
export type Sources = ReadonlyMap<string, string>;

/** Reads all sources that may have guards. */
export const readSources = (): Sources =>
	new Map(globSync("{client,server,shared}/**/*.ts").map((path) => [path, readFileSync(path, "utf8")]));

/** Finds all markers. */
export const guardsIn = (sources: Sources): { id: string; path: string }[] =>
	[...sources].flatMap(([path, source]) => [...source.matchAll(marker)].map(([, id = ""]) => ({ id, path })));

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && "type" in value;

function inside(value: unknown): Node[] {
	if (typeof value !== "object" || value === null) return [];
	const inner = Object.values(value).flatMap(inside);
	return isNode(value) ? [value, ...inner] : inner;
}
/** Parses a source into all its nodes. Type stripping puts blanks in place of types, so that positions stay the same. */
export const nodesIn = (source: string): Node[] => inside(parseAst(stripTypeScriptTypes(source)));

/** Finds the code that a marker marks: of all nodes that begin first after it, the longest. */
export function guardOf(source: string, id: string): Node {
	const found = [...source.matchAll(marker)].find(([, each]) => each === id);
	if (!found) throw new Error(`no code is marked as the guard ${id}`);
	const [guard] = nodesIn(source)
		.filter(({ start }) => start > found.index)
		.toSorted((a, b) => a.start - b.start || b.end - a.end);
	if (!guard) throw new Error(`no code follows the marker of the guard ${id}`);
	return guard;
}

/** Returns the files without some guards, changed files only. Throws if a guard is missing or cannot be taken out. */
export function withoutGuards(sources: Sources, removals: Record<string, Removal>): Sources {
	const paths = new Map(guardsIn(sources).map(({ id, path }) => [id, path]));
	const changed = new Map<string, string>();
	for (const [id, remove] of Object.entries(removals)) {
		const path = paths.get(id) ?? "";
		const source = changed.get(path) ?? sources.get(path) ?? "";
		const { start, end, text } = remove(guardOf(source, id), source);
		changed.set(path, source.slice(0, start) + text + source.slice(end));
	}
	return changed;
}

/** Fields of nodes, by type, that lead to the value of a constant or a property. */
const toValue: Record<string, string> = {
	ExportNamedDeclaration: "declaration",
	VariableDeclaration: "declarations",
	VariableDeclarator: "init",
	Property: "value",
};
/** Fields of nodes, by type, that lead to the condition of a statement, an expression or a predicate. */
const toCondition: Record<string, string> = {
	...toValue,
	ArrowFunctionExpression: "body",
	ConditionalExpression: "test",
	IfStatement: "test",
	ReturnStatement: "argument",
};

function follow(fields: Record<string, string>, node: Node): Node {
	const [inner] = [node[fields[node.type] ?? ""]].flat();
	return isNode(inner) ? follow(fields, inner) : node;
}
const replacedAt =
	(fields: Record<string, string>, text: string): Removal =>
	(guard) => {
		const { type, start, end } = follow(fields, guard);
		if (/Declaration|Statement/.test(type)) throw new Error(`no value or condition in a ${type}`);
		return { start, end, text };
	};

/** Replaces the value of a constant or a property. */
export const value = (text: string): Removal => replacedAt(toValue, text);
/** Makes a condition true: that of an `if`, a `?:` or a predicate, or an operand of `&&` or `||`. */
export const always = replacedAt(toCondition, "true");
/** Makes a condition false. */
export const never = replacedAt(toCondition, "false");

/** Deletes a statement. */
export const gone: Removal = ({ start, end }) => ({ start, end, text: "" });

/** Replaces the first match in a guard's code. Throws if there is none. */
export const replaced =
	(pattern: RegExp, replacement: string): Removal =>
	({ start, end }, source) => {
		const code = source.slice(start, end);
		if (!pattern.test(code)) throw new Error(`${pattern} does not match ${code}`);
		return { start, end, text: code.replace(pattern, replacement) };
	};

/** Multiplies all numbers of a guard by a thousand. */
export const larger: Removal = ({ start, end }, source) => ({
	start,
	end,
	text: source.slice(start, end).replaceAll(/\b\d[\d_]*/g, "$&000"),
});
