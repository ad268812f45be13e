import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reporterNames } from "../../server/providers/registry.ts";
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
	// Something delivered, something dead, a destination that waits: so that all of an answer is there to be looked at.
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

/** The same, with nothing allowed that is not named. */
function strict(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(strict);
	if (typeof value !== "object" || value === null) return value;
	const inner = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, strict(each)]));
	const isClosed = "properties" in value && !("additionalProperties" in value);
	return isClosed ? { ...inner, additionalProperties: false } : inner;
}

/** What is wrong with a value, by a schema of the document; nothing where it is right. */
function wrong(schema: Json, value: unknown, tight: (value: unknown) => unknown = strict): unknown[] {
	const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
	const { schemas } = document.components;
	const validate = ajv.compile({ ...(tight(schema) as Json), components: { schemas: tight(schemas) } });
	return validate(value) ? [] : (validate.errors ?? []);
}
/** Whether a body is one by a schema of the document. */
const isRight = (schema: Json, body: unknown) => wrong(schema, JSON.parse(String(body)), (value) => value).length === 0;

interface Case {
	status: number;
	init?: RequestInit;
	query?: string;
	/** Some events of the body are good and some are not: a right request, but not by the document. */
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

/** Requests of each kind to every route: what they send, and the status they are answered with. */
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
	"get /v1/open.gif": () => [{ status: 200, query: "?t=forged" }, { status: 200 }],
	"post /v1/hooks/crisp": () => hook("crisp"),
	"post /v1/hooks/helpcrunch": () => hook("helpcrunch"),
	"get /client.js": () => [{ status: 200 }],
	"get /healthz": () => [{ status: 200 }],
	"get /readyz": () => [{ status: 200 }],
	"get /metrics": () => [{ status: 200 }],
	"get /openapi.json": () => [{ status: 200 }],
	"get /console": () => [{ status: 200 }],
	"get /admin/stats": () => [{ status: 200, init: { headers: asOperator } }, { status: 401 }],
	"get /admin/live": () => [{ status: 200, init: { headers: asOperator } }, { status: 401 }],
	"get /admin/budget": () => [{ status: 200, init: { headers: asOperator } }, { status: 401 }],
	"post /admin/search": () => [
		{ status: 200, init: post({ person: "ada@example.com" }, asOperator) },
		{ status: 400, init: post({}, asOperator) },
		{ status: 401, init: post({ person: "ada@example.com" }, {}) },
	],
	"get /admin/deadletters": () => [
		{ status: 200, init: { headers: asOperator }, query: "?limit=1&destination=crisp&reason=http_400" },
		{ status: 400, init: { headers: asOperator }, query: "?limit=0" },
		{ status: 401 },
	],
	"post /admin/deadletters/replay": () => [
		{ status: 200, init: post({ destination: "vibetrace" }, asOperator) },
		{ status: 200, init: post({ reason: "none" }, { ...asOperator, accept: "application/x-ndjson" }) },
		{ status: 400, init: post({ ids: [] }, asOperator) },
		{ status: 401, init: post({}, {}) },
		{ status: 415, init: post("{}", { ...asOperator, "content-type": "text/plain" }) },
	],
	"delete /admin/deadletters": () => [
		{ status: 200, init: remove({ destination: "vibetrace" }, asOperator) },
		{ status: 400, init: remove({ reason: 7 }, asOperator) },
		{ status: 401, init: remove({}, {}) },
		{ status: 415, init: remove("{}", { ...asOperator, "content-type": "text/plain" }) },
	],
};

/** An answer's values: of JSON one, of lines of JSON each. */
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
	test("is of this version, and where it is the routes are", async () => {
		const { version } = JSON.parse(readFileSync("package.json", "utf8"));
		expect([document.openapi, document.info.version]).toEqual(["3.1.0", version]);
		const [{ url = "" } = {}] = document.servers;
		expect(new URL(url, `${running.url}/openapi.json`).href).toBe(`${running.url}/`);
	});

	test("has every route that there is, and no other", () => {
		const files = [
			"server/router.ts",
			"server/delivery/forget.ts",
			"server/console/serve-console.ts",
			"server/openapi/serve-openapi.ts",
		];
		const folders = ["server/ingest", "server/inbound", "server/admin"];
		const all = [...files, ...folders.flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))];
		const ofReporter = /\$\{from\}/;
		const found = all.flatMap((file) => {
			const prefix = file.startsWith("server/admin/") ? "/admin" : "";
			const routes = readFileSync(file, "utf8").matchAll(/router\.(get|post|delete|put|patch)\(["`]([^"`]+)["`]/g);
			return [...routes].flatMap(([, method, path = ""]) =>
				(ofReporter.test(path) ? reporterNames : [""]).map(
					(name) => `${method} ${prefix}${path.replace(ofReporter, name)}`,
				),
			);
		});
		// The console's page is a loop over its files, and one of them is of interest.
		const documented = Object.keys(cases).filter((each) => each !== "get /console");
		expect(found.filter((each) => each !== "get /console/").toSorted()).toEqual(documented.toSorted());
		const inDocument = Object.entries(document.paths).flatMap(([path, operations]) =>
			Object.keys(operations).map((method) => `${method} ${path}`),
		);
		expect(inDocument.toSorted()).toEqual(Object.keys(cases).toSorted());
	});

	test.each(Object.keys(cases))("tells how %s answers, whatever is asked", async (name) => {
		const [method = "", path = ""] = name.split(" ");
		const operation = document.paths[path]?.[method];
		if (!operation) throw new Error("the document lacks it");
		for (const { status, init = {}, query = "" } of cases[name]?.() ?? []) {
			const response = await fetch(running.url + path + query, init);
			const said = `${name} ${status}`;
			expect(response.status, said).toBe(status);
			const described = operation.responses[status]?.content ?? {};
			const [type = ""] = response.headers.get("content-type")?.split(";") ?? [];
			expect(Object.keys(described), said).toContain(type);
			const schema = described[type]?.schema;
			if (!schema) {
				await response.body?.cancel();
				continue;
			}
			for (const value of await valuesOf(response, type, path === "/admin/live"))
				expect(wrong(schema, value), `${said} ${JSON.stringify(value)}`).toEqual([]);
		}
	});

	test("says of bodies and queries what the routes say of them", () => {
		for (const [name, casesOf] of Object.entries(cases)) {
			const [method = "", path = ""] = name.split(" ");
			const { requestBody, parameters = [] } = document.paths[path]?.[method] ?? {};
			for (const { status, init, query, isMixed } of casesOf()) {
				const type = new Headers(init?.headers).get("content-type") ?? "";
				const schema = requestBody?.content?.[type]?.schema;
				const isAbout = schema !== undefined && !isMixed && (status < 300 || status === 400);
				if (isAbout) expect([name, init?.body, isRight(schema, init?.body)]).toEqual([name, init?.body, status < 300]);
				const asked = [...new URLSearchParams(query).keys()];
				expect(parameters.map((parameter) => parameter.name)).toEqual(expect.arrayContaining(asked));
			}
		}
	});

	test("asks for the key that a route asks for", () => {
		for (const [name, casesOf] of Object.entries(cases)) {
			const [method = "", path = ""] = name.split(" ");
			const needsKey = casesOf().some(({ status, init }) => status === 401 && !String(init?.body).includes("another"));
			expect(document.paths[path]?.[method]?.security !== undefined, name).toBe(needsKey);
		}
	});

	test("tells what a proxy that is stopping answers", async () => {
		const other = await runProxy({ start: false });
		const unwell = await fetch(`${other.url}/readyz`);
		const { schema = {} } = document.paths["/readyz"]?.get?.responses[503]?.content?.["application/json"] ?? {};
		expect([unwell.status, wrong(schema, await unwell.json())]).toEqual([503, []]);
		const refused = await other.post(batchOf(event()));
		expect(refused.status).toBe(503);
		const problem =
			document.paths["/v1/batch"]?.post?.responses[503]?.content?.["application/problem+json"]?.schema ?? {};
		expect(wrong(problem, await refused.json())).toEqual([]);
		await other.stop();
	});
});
