import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";

/** Source files: text by path from the project's root. */
export type Tree = Readonly<Record<string, string>>;

/** One import or re-export; `from` is a path from the project's root, or the name of a package. */
export interface Import {
	file: string;
	from: string;
	typesOnly: boolean;
}

/** Reads all sources of some folders. */
export function readTree(...folders: string[]): Tree {
	const files = folders.flatMap((folder) =>
		readdirSync(folder, { recursive: true, encoding: "utf8" })
			.filter((file) => /\.(tsx?|js|mjs)$/.test(file))
			.map((file) => posix.join(folder, file)),
	);
	return Object.fromEntries(files.map((file) => [file, readFileSync(file, "utf8")]));
}

/** Files of a tree whose paths begin with `start`. */
export const within = (tree: Tree, start: string): Tree =>
	Object.fromEntries(Object.entries(tree).filter(([file]) => file.startsWith(start)));

const statement =
	/(?:^|[\s;}])(?:import|export)\s+(type\s)?[^"';]*?from\s+["']([^"']+)["']|import\(?\s*["']([^"']+)["']/g;

/** Every import of a tree: static, dynamic, for a side effect, and re-exports. */
export function importsOf(tree: Tree): Import[] {
	return Object.entries(tree).flatMap(([file, text]) =>
		[...text.matchAll(statement)].map(([, type, named, bare]) => {
			const specifier = named ?? bare ?? "";
			const from = specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier) : specifier;
			return { file, from, typesOnly: type !== undefined };
		}),
	);
}

/** The place of a file: the longest of these files and folders that equals or contains it. */
const placeOf = (path: string, places: readonly string[]) =>
	places.filter((place) => path === place || path.startsWith(`${place}/`)).sort((a, b) => b.length - a.length)[0];

/**
 * Imports that point upwards in an order of places, lowest first. A file may import its own place and lower ones, but
 * not another place in the same list. A file without a place is listed too.
 */
export function upwards(imports: readonly Import[], order: readonly (readonly string[])[]): string[] {
	const places = order.flat();
	const level = (place: string) => order.findIndex((beside) => beside.includes(place));
	return imports.flatMap(({ file, from }) => {
		const here = placeOf(file, places);
		if (here === undefined) return [`${file} has no place`];
		const there = placeOf(from, places);
		const isUp = there !== undefined && there !== here && level(there) >= level(here);
		return isUp ? [`${file} → ${from}`] : [];
	});
}

/** Circles of imports, each as a list of files that reach each other (Tarjan's strongly connected components). */
export function circles(imports: readonly Import[]): string[][] {
	const next = Map.groupBy(imports, ({ file }) => file);
	const order = new Map<string, number>();
	const lowest = new Map<string, number>();
	const stack: string[] = [];
	const found: string[][] = [];
	function visit(file: string): number {
		const place = order.size;
		order.set(file, place);
		lowest.set(file, place);
		stack.push(file);
		for (const { from } of next.get(file) ?? []) {
			const reached = order.has(from) ? (stack.includes(from) ? (order.get(from) ?? 0) : place) : visit(from);
			lowest.set(file, Math.min(lowest.get(file) ?? place, reached));
		}
		if (lowest.get(file) === place) {
			const circle = stack.splice(stack.indexOf(file));
			if (circle.length > 1) found.push(circle.sort());
		}
		return lowest.get(file) ?? place;
	}
	for (const file of next.keys()) if (!order.has(file)) visit(file);
	return found;
}
