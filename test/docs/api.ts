import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseSync } from "oxc-parser";
import { colors } from "../../shared/event.ts";

/** A declaration of a built file of types. */
interface Declaration {
	name: string;
	kind: "function" | "class" | "type";
	/** Doc comment, without its stars. */
	doc: string;
	/** The declaration as TypeScript. */
	code: string;
	/** Names that it refers to. */
	refers: string[];
	file: string;
}

interface File {
	declared: Map<string, Declaration>;
	/** Names that the file exports. */
	exported: string[];
	/** Names from other files: where from, and under which name there. */
	imported: Map<string, { file: string; name: string }>;
}

// biome-ignore lint/suspicious/noExplicitAny: The nodes of a syntax tree, whose types are those of the parser.
type Node = any;

/** Collects the names of types in a syntax tree. */
function namesIn(node: Node, found = new Set<string>()): Set<string> {
	if (Array.isArray(node)) for (const each of node) namesIn(each, found);
	else if (typeof node === "object" && node !== null) {
		const named = node.type === "TSTypeReference" ? node.typeName : node.expression;
		if (/^TS(TypeReference|InterfaceHeritage|ClassImplements)$/.test(node.type) && named?.type === "Identifier")
			found.add(named.name);
		for (const each of Object.values(node)) namesIn(each, found);
	}
	return found;
}

const plain = (comment: string) =>
	comment
		.split("\n")
		.map((line) => line.replace(/^\s*\*+ ?/, "").trim())
		.join("\n")
		.trim();

const files = new Map<string, File>();

/** Reads a built file of types. */
function read(path: string): File {
	const known = files.get(path);
	if (known) return known;
	const source = readFileSync(path, "utf8");
	const { program, comments } = parseSync(path, source);
	const file: File = { declared: new Map(), exported: [], imported: new Map() };
	files.set(path, file);
	const other = (from: string) => join(dirname(path), from.replace(/\.[jt]s$/, ".d.ts"));
	for (const node of program.body as Node[]) {
		const isExport = node.type === "ExportNamedDeclaration";
		for (const { local, imported, exported } of node.specifiers ?? []) {
			const name = (exported ?? local).name;
			if (isExport) file.exported.push(name);
			if (/^\./.test(node.source?.value))
				file.imported.set(name, { file: other(node.source.value), name: (imported ?? local).name });
		}
		const inner = node.declaration ?? node;
		const declarators = inner.declarations ?? [inner];
		for (const declarator of declarators) {
			const name = declarator?.id?.name;
			if (!name) continue;
			if (isExport) file.exported.push(name);
			const comment = comments.findLast(
				({ end, type, value }) =>
					type === "Block" && value.startsWith("*") && end <= node.start && /^\s*$/.test(source.slice(end, node.start)),
			);
			const isCallable =
				inner.declarations && /TSFunctionType/.test(declarator.id.typeAnnotation?.typeAnnotation?.type);
			const isFunction = /Function/.test(inner.type) || isCallable;
			file.declared.set(name, {
				name,
				kind: isFunction ? "function" : /Class/.test(inner.type) ? "class" : "type",
				doc: plain(comment?.value ?? ""),
				code: source.slice(inner.start, node.end).replace(/^declare /, ""),
				refers: [...namesIn(inner)],
				file: path,
			});
		}
	}
	return file;
}

/** Finds the declaration of a name that a file declares, imports or exports again. */
function find(path: string, name: string): Declaration | undefined {
	const file = read(path);
	const from = file.imported.get(name);
	return file.declared.get(name) ?? (from && find(from.file, from.name));
}

/** Types that another page explains, or that say more in words. */
const elsewhere: Record<string, string> = {
	Event: "One fact about one person, as it is sent and stored: [Event](http.md#event).",
	BackendEvent: "An [event](http.md#event) as the backend passes it: `id` and `at` may be left out.",
	Person: "Whom an event is about: `email`, `userId`, `anonymousId`, `token`, and from the backend `ids`.",
	Order: "Data of a purchase: `orderId`, and `total`, `items` and any other field.",
	Color: `One of ${colors.map((color) => `\`${color}\``).join(", ")}.`,
	CrispClient: "Crisp's methods and events: [Crisp beyond events](crisp.md).",
	CrispPayload: "What Crisp tells with an event: [Crisp beyond events](crisp.md#events).",
	Config: "The configuration as it is written: [configuration](configuration.md).",
	CheckedConfig: "A configuration that was checked, with its defaults: [configuration](configuration.md).",
};

const link = (text: string) =>
	text.replaceAll(/\{@link (\w+)\}/g, "`$1`").replaceAll(/^@(param|throws|returns?) /gm, "- **$1** ");

function entry({ name, doc, code }: Declaration): string {
	const words = elsewhere[name];
	if (words) return `### ${name}\n\n${words}\n`;
	return `### ${name}\n\n${doc ? `${link(doc)}\n\n` : ""}\`\`\`ts\n${code.trim()}\n\`\`\`\n`;
}

/** Exports that only the package's own files use. */
const internal = new Set(["observe"]);

const order = ["function", "class", "type"] as const;

/** Lists what an entry point exports, functions first, and then the types to which it refers that no other one lists. */
function section(title: string, use: string, path: string, seen: Set<string>): string {
	const exported = read(path).exported.flatMap((name) => (internal.has(name) ? [] : (find(path, name) ?? [])));
	for (const { name } of exported) seen.add(name);
	const more: Declaration[] = [];
	const collect = ({ refers, file, name }: Declaration): void => {
		if (name in elsewhere) return;
		for (const found of refers.flatMap((other) => find(file, other) ?? [])) {
			if (seen.has(found.name)) continue;
			seen.add(found.name);
			more.push(found);
			collect(found);
		}
	};
	exported.forEach(collect);
	const sorted = order.flatMap((kind) => exported.filter((each) => each.kind === kind));
	const rest = `\nTypes to which these refer, without a name of their own in the package:\n\n${more.map(entry).join("\n")}`;
	return `## ${title}\n\n${use}\n\n${sorted.map(entry).join("\n")}${more.length === 0 ? "" : rest}`;
}

const entryPoints: [title: string, use: string, path: string][] = [
	["eventferry", "For pages and apps: [browser](browser.md).", "dist/client/index.d.ts"],
	["eventferry/react", "For React apps. Needs `react`.", "dist/client/react.d.ts"],
	[
		"eventferry/adopt",
		"For apps whose calls of other trackers stay: [migrating](migrating.md).",
		"dist/client/adopt.d.ts",
	],
	["eventferry/server", "For the backend beside the proxy: [server](server.md).", "dist/server/index.d.ts"],
	["eventferry/sandbox", "For your own tests: [testing](testing.md).", "dist/server/sandbox/index.d.ts"],
];

/** The text of docs/api.md. Needs a build. */
export function apiPage(): string {
	const seen = new Set<string>();
	return `# API

<!-- Written by \`npm run docs\` from the types of the build. -->

Every function and type of the package. Times are in ms, sizes in bytes, unless it says otherwise.

${entryPoints.map((each) => section(...each, seen)).join("\n")}`;
}
