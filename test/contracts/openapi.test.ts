import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import {
	crispBody,
	crispHeaders,
	crispSecret,
	helpcrunchBody,
	helpcrunchHeaders,
	helpcrunchSecret,
} from "../support/hooks.ts";
import {
	adminToken,
	batchOf,
	browserAgent,
	event,
	origin,
	type RunningProxy,
	runProxy,
	serverKey,
} from "../support/proxy.ts";

type Json = Record<string, unknown>;
interface Content {
	content?: Record<string, { schema?: Json }>;
}
interface Operation {
	security?: Record<string, unknown>[];
	parameters?: { name: string; schema: Json }[];
	requestBody?: Content;
	responses: Record<string, Content>;
}
interface Document {
	openapi: string;
	info: { version: string };
	servers: { url: string }[];
	paths: Record<string, Record<string, Operation>>;
	components: { schemas: Record<string, Json> };
}

let running: RunningProxy;
let sandbox: Sandbox;
let document: Document;
beforeAll(async () => {
	sandbox = await startSandbox();
	const { crisp, helpcrunch } = sandbox.destinations;
	running = await runProxy({
		base: "/ferry",
		site: {
			crisp: { ...crisp, hookSecret: crispSecret },
			helpcrunch: { ...helpcrunch, hookSecret: helpcrunchSecret },
		},
	});
	// Delivers an event, makes a dead letter and lets a destination wait, so that answers have all their parts.
	const person = { email: "ada@example.com" };
	const clear = sandbox.fault("crisp", { status: 400, times: 1, body: { error: true, data: { message: "no" } } });
	await running.batch(event({ person, data: { a: 1 } }), event({ person }), event({ person }));
	await running.settled(3);
	clear();
	sandbox.fault("helpcrunch", { status: 429, retryAfter: 60, times: 1 });
	await running.batch(event({ person }));
	await sandbox.until((requests) => requests.some(({ status }) => status === 429));
	document = await (await fetch(`${running.url}/openapi.json`)).json();
});
afterAll(async () => {
	await running.stop();
	await sandbox.stop();
});

/** Returns a schema that forbids unnamed properties. */
function strict(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(strict);
	if (typeof value !== "object" || value === null) return value;
	const inner = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, strict(each)]));
	const isClosed = "properties" in value && !("additionalProperties" in value);
	return isClosed ? { ...inner, additionalProperties: false } : inner;
}

/** Returns the errors of a value by a schema of the document. */
function errorsOf(schema: Json, value: unknown, tight: (value: unknown) => unknown = strict): unknown[] {
	const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
	const { schemas } = document.components;
	const validate = ajv.compile({ ...(tight(schema) as Json), components: { schemas: tight(schemas) } });
	return validate(value) ? [] : (validate.errors ?? []);
}
/** Returns true if a body is valid by a schema of the document. */
const isValid = (schema: Json, body: unknown) =>
	errorsOf(schema, JSON.parse(String(body)), (value) => value).length === 0;

interface Case {
	status: number;
	init?: RequestInit;
	query?: string;
	/** True if only some events of the body are valid: the request is accepted, but the schema refuses the body. */
	isMixed?: true;
}
const asOperator = { authorization: `Bearer ${adminToken}` };
const asBackend = { authorization: `Bearer ${serverKey}` };
const asPage = { origin, "user-agent": browserAgent };
const json = { "content-type": "application/json" };
const post = (body: unknown, headers: Record<string, string>): RequestInit => ({
	method: "POST",
	headers: { ...json, ...headers },
	body: typeof body === "string" ? body : JSON.stringify(body),
});
const remove = (body: unknown, headers: Record<string, string>): RequestInit => ({
	...post(body, headers),
	method: "DELETE",
});
const hook = (path: "crisp" | "helpcrunch"): Case[] => {
	const body =
		path === "crisp"
			? crispBody(sandbox.destinations.crisp.websiteId, "people:profile:created", { email: "a@example.com" })
			: helpcrunchBody("customer.new", { id: 1, email: "a@example.com" });
	const headers = path === "crisp" ? crispHeaders(body) : helpcrunchHeaders(body);
	return [
		{ status: 200, init: post(body, headers) },
		{ status: 403, init: post(body, {}) },
	];
};
const large = "x".repeat(300_000);

const call = { messageId: "m", event: "Signed Up", userId: "u-1", traits: { email: "ada@example.com" } };
/** Requests to a route of Segment's API; the body is a call, or holds several. */
const segment = (body: object): Case[] => [
	{ status: 200, init: post(body, { authorization: `Basic ${btoa(`${serverKey}:`)}` }) },
	{ status: 200, init: post({ ...body, writeKey: "site_shop" }, asPage) },
	{ status: 400, init: post([], asPage) },
	{ status: 401, init: post({ ...body, writeKey: "another" }, asPage) },
	{ status: 403, init: post({ ...body, writeKey: "site_shop" }, { ...asPage, origin: "https://evil.example" }) },
	{ status: 413, init: post({ ...body, large: large + large }, asPage) },
	{ status: 415, init: post(body, { ...asPage, "content-type": "application/json; charset=utf-16" }) },
];

/** Requests of each kind to every route, with the expected status. */
const cases: Record<string, () => Case[]> = {
	"post /v1/batch": () => [
		{ status: 202, isMixed: true, init: post(batchOf(event(), { ...event(), name: "" }), asPage) },
		{ status: 202, init: post(batchOf(event()), { ...asPage, "content-type": "text/plain" }) },
		{ status: 400, init: post({ events: [] }, asPage) },
		{ status: 401, init: post({ ...batchOf(event()), writeKey: "another" }, asPage) },
		{ status: 403, init: post(batchOf(event()), { ...asPage, origin: "https://evil.example" }) },
		{ status: 413, init: post(batchOf({ ...event(), data: { large } }), asPage) },
		{ status: 415, init: post("a=1", { ...asPage, "content-type": "application/x-www-form-urlencoded" }) },
	],
	"post /v1/events": () => [
		{ status: 202, init: post({ events: [event()] }, asBackend) },
		{ status: 202, isMixed: true, init: post({ events: [event(), { id: 7 }] }, asBackend) },
		{ status: 400, init: post({ events: 7 }, asBackend) },
		{ status: 401, init: post({ events: [event()] }, {}) },
		{ status: 413, init: post({ events: [{ ...event(), data: { large } }] }, asBackend) },
		{ status: 415, init: post("<a/>", { ...asBackend, "content-type": "text/xml" }) },
	],
	"delete /v1/people": () => [
		{ status: 200, init: remove({ email: "ada@example.com" }, asBackend) },
		{ status: 400, init: remove({ email: 7 }, asBackend) },
		{ status: 401, init: remove({ email: "ada@example.com" }, {}) },
		{ status: 413, init: remove({ email: large }, asBackend) },
		{ status: 415, init: remove("a", { ...asBackend, "content-type": "text/plain" }) },
	],
	...Object.fromEntries(
		["identify", "track", "page", "screen", "group", "alias", ..."itpsga"].map((path) => [
			`post /segment/v1/${path}`,
			() => segment(call),
		]),
	),
	"post /segment/v1/batch": () => segment({ batch: [{ type: "track", ...call }] }),
	"post /segment/v1/b": () => segment({ batch: [] }),
	"get /segment/v1/projects/{key}/settings": () => [{ status: 404 }],
	"get /segment/sourceConfig": () => [{ status: 200, query: "?writeKey=site_shop" }, { status: 404 }],
	"get /v1/open.gif": () => [{ status: 200, query: "?t=forged" }, { status: 200 }],
	"post /v1/hooks/crisp": () => hook("crisp"),
	"post /v1/hooks/helpcrunch": () => hook("helpcrunch"),
	"get /client.js": () => [{ status: 200 }],
	"get /adopt.js": () => [{ status: 200 }],
	"get /healthz": () => [{ status: 200 }],
	"get /readyz": () => [{ status: 200 }],
	"get /metrics": () => [{ status: 200 }],
	"get /openapi.json": () => [{ status: 200 }],
	"get /console": () => [{ status: 200 }],
	"get /console/console.js": () => [{ status: 200 }],
	"get /console/console.css": () => [{ status: 200 }],
	"get /admin/stats": () => [{ status: 200, init: { headers: asOperator } }, { status: 401 }],
	"get /admin/live": () => [{ status: 200, init: { headers: asOperator } }, { status: 401 }],
	"get /admin/budget": () => [{ status: 200, init: { headers: asOperator } }, { status: 401 }],
	"post /admin/search": () => [
		{ status: 200, init: post({ person: "ada@example.com" }, asOperator) },
		{ status: 400, init: post({}, asOperator) },
		{ status: 401, init: post({ person: "ada@example.com" }, {}) },
	],
	"post /admin/explain": () => [
		{ status: 200, init: post({ type: "track", name: "x" }, asOperator) },
		{ status: 400, init: post([{ type: "track", name: "x" }], asOperator) },
		{ status: 401, init: post({ type: "track", name: "x" }, {}) },
	],
	"get /admin/deadletters": () => [
		{ status: 200, init: { headers: asOperator }, query: "?limit=1&destination=crisp&reason=http_400" },
		{ status: 200, init: { headers: asOperator }, query: "?person=ada@example.com&name=purchase&since=1795500000000" },
		{ status: 400, init: { headers: asOperator }, query: "?limit=0" },
		{ status: 400, init: { headers: asOperator }, query: "?since=yesterday" },
		{ status: 401 },
	],
	"post /admin/deadletters/replay": () => [
		{ status: 200, init: post({ destination: "vibetrace" }, asOperator) },
		{ status: 200, init: post({ person: "ada@example.com", name: "none", since: 0 }, asOperator) },
		{ status: 200, init: post({ reason: "none" }, { ...asOperator, accept: "application/x-ndjson" }) },
		{ status: 400, init: post({ ids: [] }, asOperator) },
		{ status: 401, init: post({}, {}) },
		{ status: 415, init: post("{}", { ...asOperator, "content-type": "text/plain" }) },
	],
	"get /admin/journal": () => [
		{ status: 200, init: { headers: asOperator }, query: "?limit=1" },
		{ status: 400, init: { headers: asOperator }, query: "?cursor=x" },
		{ status: 401 },
	],
	...Object.fromEntries(
		["retry", "discard"].map((action) => [
			`post /admin/journal/${action}`,
			() => [
				{ status: 200, init: post({ all: true }, asOperator) },
				{ status: 400, init: post({}, asOperator) },
				{ status: 401, init: post({ all: true }, {}) },
				{ status: 415, init: post("{}", { ...asOperator, "content-type": "text/plain" }) },
			],
		]),
	),
	"delete /admin/deadletters": () => [
		{ status: 200, init: remove({ destination: "vibetrace" }, asOperator) },
		{ status: 400, init: remove({ reason: 7 }, asOperator) },
		{ status: 401, init: remove({}, {}) },
		{ status: 415, init: remove("{}", { ...asOperator, "content-type": "text/plain" }) },
	],
};

/** Resolves to the values of an answer: one of JSON, several of lines of JSON. */
async function valuesOf(response: Response, type: string, isEndless: boolean): Promise<unknown[]> {
	if (type !== "application/x-ndjson") return [await response.json()];
	const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
	let text = "";
	for (;;) {
		const { done, value = "" } = (await reader?.read()) ?? { done: true };
		text += value;
		if (done || (isEndless && text.includes("\n"))) break;
	}
	await reader?.cancel();
	const lines = text.split("\n").slice(0, -1);
	return lines.map((line) => JSON.parse(line));
}

describe("/openapi.json", () => {
	test("has this version, and names the server's address", async () => {
		const { version } = JSON.parse(readFileSync("package.json", "utf8"));
		expect([document.openapi, document.info.version]).toEqual(["3.1.0", version]);
		const [{ url = "" } = {}] = document.servers;
		expect(new URL(url, `${running.url}/openapi.json`).href).toBe(`${running.url}/`);
	});

	test("has the routes that are tested here, and no other", () => {
		const inDocument = Object.entries(document.paths).flatMap(([path, operations]) =>
			Object.keys(operations).map((method) => `${method} ${path}`),
		);
		expect(inDocument.toSorted()).toEqual(Object.keys(cases).toSorted());
	});

	test.each(Object.keys(cases))("describes every answer of %s", async (name) => {
		const [method = "", path = ""] = name.split(" ");
		const operation = document.paths[path]?.[method];
		if (!operation) throw new Error("the document lacks this route");
		for (const { status, init = {}, query = "" } of cases[name]?.() ?? []) {
			const response = await fetch(running.url + path + query, init);
			const label = `${name} ${status}`;
			expect(response.status, label).toBe(status);
			const described = operation.responses[status]?.content ?? {};
			const [type = ""] = response.headers.get("content-type")?.split(";") ?? [];
			expect(Object.keys(described), label).toContain(type);
			const schema = described[type]?.schema;
			if (!schema) {
				await response.body?.cancel();
				continue;
			}
			for (const value of await valuesOf(response, type, path === "/admin/live"))
				expect(errorsOf(schema, value), `${label} ${JSON.stringify(value)}`).toEqual([]);
		}
	});

	test("accepts the same bodies and queries as the routes", () => {
		for (const [name, casesOf] of Object.entries(cases)) {
			const [method = "", path = ""] = name.split(" ");
			const { requestBody, parameters = [] } = document.paths[path]?.[method] ?? {};
			for (const { status, init, query, isMixed } of casesOf()) {
				const type = new Headers(init?.headers).get("content-type") ?? "";
				const schema = requestBody?.content?.[type]?.schema;
				const isAbout = schema !== undefined && !isMixed && (status < 300 || status === 400);
				if (isAbout) expect([name, init?.body, isValid(schema, init?.body)]).toEqual([name, init?.body, status < 300]);
				const asked = [...new URLSearchParams(query).keys()];
				expect(parameters.map((parameter) => parameter.name)).toEqual(expect.arrayContaining(asked));
			}
		}
	});

	test("requires a key where the route does", () => {
		for (const [name, casesOf] of Object.entries(cases)) {
			const [method = "", path = ""] = name.split(" ");
			const needsKey = casesOf().some(({ status, init }) => status === 401 && !String(init?.body).includes("another"));
			expect(document.paths[path]?.[method]?.security !== undefined, name).toBe(needsKey);
		}
	});

	test("describes the answers of a proxy that is not started", async () => {
		const notStarted = await runProxy({ start: false });
		const unwell = await fetch(`${notStarted.url}/readyz`);
		const { schema = {} } = document.paths["/readyz"]?.get?.responses[503]?.content?.["application/json"] ?? {};
		expect([unwell.status, errorsOf(schema, await unwell.json())]).toEqual([503, []]);
		const refused = await notStarted.post(batchOf(event()));
		expect(refused.status).toBe(503);
		const problem =
			document.paths["/v1/batch"]?.post?.responses[503]?.content?.["application/problem+json"]?.schema ?? {};
		expect(errorsOf(problem, await refused.json())).toEqual([]);
		await notStarted.stop();
	});
});
