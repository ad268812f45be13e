import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express from "express";
import { createProxy } from "../../server/proxy.ts";

interface Schema {
	$ref?: string;
	type?: string | string[];
	const?: unknown;
	enum?: unknown[];
	oneOf?: Schema[];
	anyOf?: Schema[];
	items?: Schema;
	properties?: Record<string, Schema>;
	required?: string[];
	additionalProperties?: Schema | boolean;
	description?: string;
	minLength?: number;
	maxLength?: number;
	minItems?: number;
	maxItems?: number;
	format?: string;
	default?: unknown;
}
interface Content {
	description?: string;
	content?: Record<string, { schema?: Schema }>;
}
interface Operation {
	summary: string;
	security?: Record<string, unknown>[];
	parameters?: { name: string; in: string; required: boolean; schema: Schema }[];
	requestBody?: Content;
	responses: Record<string, Content>;
}
interface Document {
	paths: Record<string, Record<string, Operation>>;
	components: { schemas: Record<string, Schema> };
}

/** Resolves to what a proxy with every route, whose store is closed, serves at a path. */
export async function served(path: string): Promise<string> {
	const key = "0".repeat(64);
	const proxy = createProxy({
		logLevel: "silent",
		sites: [
			{
				writeKey: "site_docs",
				origins: ["https://shop.example"],
				crisp: { websiteId: "w", identifier: "i", key: `${key}1`, hookSecret: `${key}2` },
				helpcrunch: { apiKey: `${key}3`, hookSecret: `${key}4` },
			},
		],
	});
	const server = express().use(proxy.router).listen(0, "127.0.0.1");
	await once(server, "listening");
	try {
		return await (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`)).text();
	} finally {
		server.close();
		server.closeAllConnections();
	}
}

const nameOf = (ref: string) => ref.replace(/^.*\//, "");

/** Writes alternatives; the properties that all of them share stand before. */
function union(several: Schema[], indent: string): string {
	const [{ properties = {}, required = [] } = {}] = several;
	const isShared = ([name, schema]: [string, Schema]) =>
		several.every(
			(each) =>
				JSON.stringify(each.properties?.[name]) === JSON.stringify(schema) &&
				Boolean(each.required?.includes(name)) === required.includes(name),
		);
	const shared = Object.fromEntries(Object.entries(properties).filter(isShared));
	if (Object.keys(shared).length < 2) return [...new Set(several.map((each) => shape(each, indent)))].join(" | ");
	const own = several.map((each) => {
		const rest = Object.entries(each.properties ?? {}).filter(([name]) => !(name in shared));
		return `${indent}  | ${shape({ ...each, properties: Object.fromEntries(rest) }, `${indent}  `)}\n`;
	});
	return `${shape({ properties: shared, required }, indent)} & (\n${own.join("")}${indent})`;
}

/** Writes a schema as TypeScript writes a type. */
function shape(schema: Schema, indent = ""): string {
	if (schema.$ref) return nameOf(schema.$ref);
	const several = schema.oneOf ?? schema.anyOf;
	if (several) return union(several, indent);
	if (schema.const !== undefined) return JSON.stringify(schema.const);
	if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(" | ");
	if (schema.items) {
		const inner = shape(schema.items, indent);
		return inner.includes(" | ") && !inner.startsWith("{") ? `(${inner})[]` : `${inner}[]`;
	}
	if (schema.properties) {
		const lines = Object.entries(schema.properties).map(([name, each]) => {
			const mark = schema.required?.includes(name) ? "" : "?";
			const note = noteOf(each);
			return `${indent}  ${/^\w+$/.test(name) ? name : JSON.stringify(name)}${mark}: ${shape(each, `${indent}  `)};${note && ` // ${note}`}\n`;
		});
		return lines.length === 0 ? "{}" : `{\n${lines.join("")}${indent}}`;
	}
	if (typeof schema.additionalProperties === "object" && Object.keys(schema.additionalProperties).length > 0)
		return `Record<string, ${shape(schema.additionalProperties, indent)}>`;
	const types = [schema.type ?? "unknown"].flat().map((type) => (type === "integer" ? "number" : type));
	return types.join(" | ");
}

/** Limits of a value, in words. */
function noteOf({ description, format, minLength = 0, maxLength, maxItems, items, default: given }: Schema): string {
	const length =
		maxLength && (minLength > 0 ? `${minLength}-${maxLength} characters` : `at most ${maxLength} characters`);
	const notes = [description, format, length, items && maxItems && `at most ${maxItems}`];
	return [...notes, given !== undefined && `default ${JSON.stringify(given)}`].filter(Boolean).join("; ");
}

const keys: Record<string, string> = {
	serverKey: "`Authorization: Bearer` and the site's server key",
	adminToken: "`Authorization: Bearer` and the admin token",
};

/** Links to the schemas of contents. */
function typesOf({ content = {} }: Content): string {
	const bySchema = Map.groupBy(Object.entries(content), ([, { schema }]) => schema?.$ref ?? "");
	const types = [...bySchema].map(([ref, all]) => {
		const name = nameOf(ref);
		const formats = all.map(([type]) => `\`${type}\``).join(" or ");
		return name ? `[${name}](#${name.toLowerCase()}) as ${formats}` : formats;
	});
	return types.join(" or ");
}

/** Describes an operation, without its path. */
function operationText({ summary, security = [], parameters = [], requestBody, responses }: Operation): string {
	const needs = security.flatMap((each) => Object.keys(each)).map((name) => `Needs ${keys[name]}.\n\n`);
	const query = parameters.map(({ name, in: where, required, schema }) => {
		const type = shape(schema).replaceAll("|", "\\|");
		return `| \`${name}\` | ${where}${required ? ", required" : ""} | \`${type}\` | ${noteOf(schema)} |\n`;
	});
	const answers = Object.entries(responses)
		.filter(([status]) => status !== "default")
		.map(([status, response]) => {
			const { description = "", content } = response;
			if (content && "application/problem+json" in content)
				return `| ${status} | ${description.replaceAll(/\w+/g, "`$&`")} |\n`;
			return `| ${status} | ${description.replace(/\.$/, "")}${content ? `: ${typesOf(response)}` : ""} |\n`;
		});
	return [
		`${summary}.\n\n`,
		...needs,
		...(query.length > 0 ? [`| parameter | in | type | |\n|---|---|---|---|\n${query.join("")}\n`] : []),
		...(requestBody ? [`Body: ${typesOf(requestBody)}.\n\n`] : []),
		`| status | answer |\n|---|---|\n${answers.join("")}\n`,
	].join("");
}

const groups: [title: string, paths: RegExp][] = [
	["Events and people", /^\/v1\/(batch|events|people|open\.gif)/],
	["Web hooks of providers", /^\/v1\/hooks/],
	["Operators", /^\/(admin|console$)/],
	["Health and metrics", /^\/(healthz|readyz|metrics|openapi\.json)/],
	["Scripts", /^\/(client|adopt)\.js/],
	["Segment's API", /^\/segment/],
];

/** Resolves to the text of docs/http.md. */
export async function httpPage(): Promise<string> {
	const { paths, components }: Document = JSON.parse(await served("/openapi.json"));
	const sections = groups.map(([title, pattern]) => {
		const operations = Object.entries(paths)
			.filter(([path]) => pattern.test(path))
			.flatMap(([path, methods]) =>
				Object.entries(methods).map(([method, operation]) => ({
					name: `${method.toUpperCase()} ${path}`,
					text: operationText(operation),
				})),
			);
		// Routes that differ in their path alone share an entry.
		const entries = [...Map.groupBy(operations, ({ text }) => text)];
		return `## ${title}\n\n${entries
			.map(([text, [first, ...others]]) => {
				const also = others.map(({ name }) => `\`${name}\``).join(", ");
				return `### ${first?.name}\n\n${also && `Also ${also}.\n\n`}${text}`;
			})
			.join("")}`;
	});
	const schemas = Object.entries(components.schemas).map(
		([name, schema]) =>
			`### ${name}\n\n${schema.description ? `${schema.description}\n\n` : ""}\`\`\`ts\n${shape(schema)}\n\`\`\`\n\n`,
	);
	return `# HTTP

<!-- Written by \`npm run docs\` from the OpenAPI document. -->

Every route of the proxy, below the path where it is mounted. \`GET /openapi.json\` is the same as OpenAPI 3.1, for tools.

Errors are \`application/problem+json\` ([Problem](#problem)) with a stable \`code\`. Paths are case-sensitive and strict. [Troubleshooting](troubleshooting.md#requests-are-refused) says what to do about each code.

| code of an event in \`rejected\` | means |
|---|---|
| \`invalid_event\` | the message says what is wrong |
| \`identity_required\` | neither e-mail nor userId |
| \`invalid_identity_token\` | the token is not signed by a secret of the site, or contradicts the event |
| \`identity_token_expired\` | the event was captured after the token's end |
| \`event_too_large\` | its data has over 16 KB, or over 5 levels |

${sections.join("")}## Types

${schemas.join("").trimEnd()}
`;
}
