import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";

interface Import {
	file: string;
	from: string;
	typesOnly: boolean;
}

const files = (folder: string): string[] =>
	readdirSync(folder, { recursive: true, encoding: "utf8" })
		.filter((file) => /\.(tsx?|js|mjs)$/.test(file))
		.map((file) => join(folder, file));

/** Every static or dynamic import and re-export of a file; relative ones as paths from the project's root. */
function importsOf(file: string): Import[] {
	const text = readFileSync(file, "utf8");
	const found = text.matchAll(
		/(?:^|[\s;}])(?:import|export)\s+(type\s)?[^"';]*?from\s+["']([^"']+)["']|import\(?\s*["']([^"']+)["']/g,
	);
	return [...found].map(([, type, named, bare]) => {
		const specifier = named ?? bare ?? "";
		const from = specifier.startsWith(".") ? relative(".", join(dirname(file), specifier)) : specifier;
		return { file, from, typesOnly: type !== undefined };
	});
}

const importsIn = (folder: string) => files(folder).flatMap(importsOf);
const outside = (folder: string) => importsIn(folder).filter(({ from }) => !from.startsWith(`${folder}/`));
const textsOf = (folder: string) => files(folder).map((file) => ({ file, text: readFileSync(file, "utf8") }));

describe("the walls in ARCHITECTURE.md", () => {
	it("client/ takes types from shared/ and idb-keyval, and its React part react, nothing else", () => {
		const wrong = outside("client").filter(
			({ file, from, typesOnly }) =>
				from !== "idb-keyval" &&
				!(file === "client/react.ts" && from === "react") &&
				!(typesOnly && from.startsWith("shared/")),
		);
		expect(wrong).toEqual([]);
		expect(outside("client").length).toBeGreaterThan(0);
	});

	it("shared/ imports zod only", () => {
		expect([...new Set(outside("shared").map(({ from }) => from))]).toEqual(["zod"]);
	});

	it("server/ never imports client/", () => {
		expect(importsIn("server").filter(({ from }) => from.startsWith("client/"))).toEqual([]);
	});

	it("the console's page takes types from shared/, preact and uplot, nothing else", () => {
		const found = outside("server/console/page");
		const wrong = found.filter(
			({ from, typesOnly }) =>
				!/^(preact|preact\/hooks|uplot)$/.test(from) && !(typesOnly && from.startsWith("shared/")),
		);
		expect(wrong).toEqual([]);
		expect(found.length).toBeGreaterThan(0);
	});

	it("only server/providers/ and what is for one provider alone know a provider's name", () => {
		// server/index.ts exports createCrisp; an event's `person.ids` has each provider's own id.
		const allowed = /^server\/(providers|crisp|sandbox)\/|^server\/index\.ts$|^shared\/event\.ts$/;
		const words = /\b(crisp|helpcrunch|vibetrace)\b/i;
		const code = (text: string) => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
		const wrong = [...textsOf("server"), ...textsOf("shared")]
			.filter(({ file, text }) => !allowed.test(file) && words.test(code(text)))
			.map(({ file }) => file);
		expect(wrong).toEqual([]);
	});

	it("only server/crisp/ knows Crisp's own client, and imports it when it is used", () => {
		const imports = importsIn("server").filter(({ from }) => from === "crisp-api");
		expect(imports.filter(({ file }) => !file.startsWith("server/crisp/"))).toEqual([]);
		const atRunTime = imports.filter(({ typesOnly }) => !typesOnly);
		expect([...new Set(atRunTime.map(({ file }) => file))]).toEqual(["server/crisp/client.ts"]);
		const statically = textsOf("server/crisp").filter(({ text }) => /^import (?!type)[^;]*"crisp-api"/m.test(text));
		expect(statically).toEqual([]);
	});

	it("the sandbox is a stranger to the rest of the server", () => {
		const wrong = outside("server/sandbox").filter(
			({ from }) => from.startsWith("server/") || from.startsWith("shared/"),
		);
		expect(wrong).toEqual([]);
	});

	it("only server/outbox/ contain SQL", () => {
		const sql = /\b(SELECT\s.+\sFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE (TABLE|INDEX))\b/;
		const wrong = [...textsOf("server"), ...textsOf("shared"), ...textsOf("client")]
			.filter(({ file, text }) => !file.startsWith("server/outbox/") && sql.test(text))
			.map(({ file }) => file);
		expect(wrong).toEqual([]);
	});

	it("only server/config/config.ts reads the environment", () => {
		const wrong = [...textsOf("server"), ...textsOf("shared"), ...textsOf("client")]
			.filter(({ file, text }) => file !== "server/config/config.ts" && /process\.env|loadEnvFile/.test(text))
			.map(({ file }) => file);
		expect(wrong).toEqual([]);
	});
});
