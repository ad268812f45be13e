import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJson } from "../../../server/http/exact-json.ts";

// ---------------------------------------------------------------- JSON and its value

/** A string: its spelling in JSON without the quotes, and its value. */
interface Spelled {
	spelling: string;
	value: string;
}

/**
 * JSON text, its value, and `trap`: JSON with unescaped keys that V8 confuses with those of `text`.
 * See https://github.com/nodejs/node/issues/63785.
 */
interface Written {
	text: string;
	trap: string;
	value: unknown;
}

const spellings: [value: string, ...spellings: string[]][] = [
	["\n", "\\n", "\\u000a"],
	['"', '\\"', "\\u0022"],
	["\\", "\\\\", "\\u005C"],
	["/", "/", "\\/"],
	["\0", "\\u0000"],
	["a", "a", "\\u0061"],
	["0", "0", "\\u0030"],
	["é", "é", "\\u00e9"],
	["€", "€", "\\u20ac"],
	["😀", "😀", "\\ud83d\\ude00"],
	["\ud800", "\\ud800"],
	["__proto__", "__proto__", "\\u005f_proto__", "__proto\\u005f_"],
	...["u", "n", ":", ",", "{", "}", "[", "]", " "].map((plain): [string, string] => [plain, plain]),
];
const spelled: fc.Arbitrary<Spelled> = fc
	.array(fc.constantFrom(...spellings.flatMap(([value, ...all]) => all.map((spelling) => ({ spelling, value })))), {
		maxLength: 3,
	})
	.map((parts) => ({
		spelling: parts.map(({ spelling }) => spelling).join(""),
		value: parts.map(({ value }) => value).join(""),
	}));
/** Key made of the first characters of a spelling, as long as the spelled value. */
const trapFor = ({ spelling, value }: Spelled) => JSON.stringify(spelling.slice(0, value.length));

const space = fc.constantFrom("", "", " ", "\n\t\r ");
const { json } = fc.letrec<{ json: Written }>((tie) => ({
	json: fc.oneof(
		{ maxDepth: 4, withCrossShrink: true },
		fc.oneof(fc.integer(), fc.double(), fc.boolean(), fc.constant(null)).map((value) => {
			const text = JSON.stringify(value);
			return { text, trap: text, value };
		}),
		spelled.map(({ spelling, value }) => ({ text: `"${spelling}"`, trap: `"${spelling}"`, value })),
		fc.tuple(fc.array(tie("json"), { maxLength: 3 }), space).map(([items, gap]) => ({
			text: `[${gap}${items.map(({ text }) => text).join(`${gap},`)}]`,
			trap: `[${items.map(({ trap }) => trap).join()}]`,
			value: items.map(({ value }) => value),
		})),
		fc.tuple(fc.array(fc.tuple(spelled, tie("json")), { maxLength: 3 }), space).map(([entries, gap]) => ({
			text: `{${entries.map(([key, { text }]) => `${gap}"${key.spelling}"${gap}:${text}${gap}`).join()}}`,
			trap: `{${entries.map(([key, { trap }]) => `${trapFor(key)}:${trap}`).join()}}`,
			value: Object.fromEntries(entries.map(([key, { value }]) => [key.value, value])),
		})),
	),
}));

/** Random sequences of JSON's tokens, mostly invalid JSON. */
const nearlyJson = fc
	.array(
		fc.constantFrom(
			...['"', "\\", "\\n", "\\u0061", '"\\n":', '"a":', ":", ",", "{", "}", "[", "]", "1", "-", "null", " ", "\n"],
		),
		{ maxLength: 10 },
	)
	.map((parts) => parts.join(""));

const errorOf = (parse: (text: string) => unknown, text: string): unknown => {
	try {
		parse(text);
	} catch (error) {
		return error;
	}
	return undefined;
};

describe("parseJson", () => {
	it("reads any JSON, even after V8 has parsed keys that it confuses with these", () => {
		fc.assert(
			fc.property(json, ({ text, trap, value }) => {
				const met: unknown = JSON.parse(trap);
				// Compared as text, which includes the order of keys and a key `__proto__`.
				expect(JSON.stringify(parseJson(text))).toBe(JSON.stringify(value));
				expect(met).toBeDefined();
			}),
			{ numRuns: 10_000 },
		);
	});

	it("throws the same errors as JSON.parse", () => {
		fc.assert(
			fc.property(
				fc.oneof(
					nearlyJson,
					nearlyJson.map((text) => `{"\\n":${text}}`),
				),
				(text) => {
					expect(errorOf(parseJson, text)).toEqual(errorOf(JSON.parse, text));
				},
			),
			{ numRuns: 10_000 },
		);
	});

	it.each([
		["lists", "[", "]"],
		["objects", '{"\\"":', "}"],
	])("reads 100,000 nested %s", (_what, opening, closing) => {
		let value = parseJson(`{"\\n":${opening.repeat(100_000)}1${closing.repeat(100_000)}}`);
		let depth = 0;
		for (; typeof value === "object" && value !== null; depth += 1) value = Object.values(value)[0];
		expect([value, depth]).toEqual([1, 100_001]);
	});

	it("reads strings of a megabyte in which every character is escaped", () => {
		const text = "\n".repeat(500_000);
		expect(parseJson(JSON.stringify({ [text]: text }))).toEqual({ [text]: text });
	});
});

it("parseJson is still needed, as package.json allows versions of Node whose JSON.parse is wrong", () => {
	const { node } = process.versions;
	const [major = 0, minor = 0] = node.split(".").map(Number);
	const isWrong = major === 23 || (major === 24 && minor < 22) || major === 25 || (major === 26 && minor < 12);
	const met = JSON.parse('{"before an escape":1,"\\\\":1}');
	const read = JSON.parse('{"before an escape":1,"\\n":1}');
	expect(
		Object.keys(read)[1],
		`JSON.parse of Node ${node} is ${isWrong ? "right" : "wrong"}: correct the versions here and in server/http/exact-json.ts`,
	).toBe(isWrong ? Object.keys(met)[1] : "\n");
	expect(
		JSON.parse(readFileSync("package.json", "utf8")).engines.node,
		"delete server/http/exact-json.ts and this file if package.json now rules out all wrong versions, else update this line",
	).toBe("^22.20 || >=24.7");
});
