import * as z from "zod";
import { problemSchema } from "../../shared/wire.ts";
import { problemStatuses } from "../http/problem.ts";
import { json, methods, named, type Operation, ok, type Route, schemaNames } from "../http/route.ts";
import { version } from "../version.ts";

/** A JSON object of the document. */
type Json = Record<string, unknown>;

const ref = (id: string) => `#/components/schemas/${id}`;
named("Problem", problemSchema);

/** Converts all named schemas, which the rest of the document refers to. */
function components(): Json {
	const { schemas } = z.toJSONSchema(schemaNames, { io: "input", uri: ref });
	return Object.fromEntries(Object.entries(schemas).map(([id, { $schema: _, $id: __, ...schema }]) => [id, schema]));
}

function schemaOf(schema: z.ZodType): Json {
	const name = schemaNames.get(schema);
	if (name) return { $ref: ref(name.id) };
	const { $schema: _, ...inline } = z.toJSONSchema(schema, { io: "input" });
	return inline;
}

const contentOf = (content: Record<string, z.ZodType | null>) =>
	Object.fromEntries(
		Object.entries(content).map(([type, schema]) => [type, { schema: schema ? schemaOf(schema) : undefined }]),
	);

const problem = { "application/problem+json": { schema: { $ref: ref("Problem") } } };
const retryAfter = {
	"Retry-After": { description: "Seconds to wait before another attempt", schema: { type: "integer" } },
};

/** Describes an operation's problems, by status. */
function problemsOf({ problems = [] }: Operation): Json {
	const byStatus = Map.groupBy(problems, (code) => problemStatuses[code]);
	const described = [...byStatus].map(([status, codes]) => {
		const headers = status === 429 || status === 503 ? retryAfter : undefined;
		return [status, { description: [...new Set(codes)].join(", "), headers, content: problem }];
	});
	return Object.fromEntries(described);
}

function parametersOf(query: z.ZodObject): Json[] {
	const { properties = {}, required = [] } = z.toJSONSchema(query, { io: "input" });
	return Object.entries(properties).map(([name, schema]) => ({
		name,
		in: "query",
		required: required.includes(name),
		schema,
	}));
}

function operationOf(operation: Operation, variables: Json[]): Json {
	const { summary, security, query, body, answer, unavailable } = operation;
	const answers = [answer, ...(unavailable ? [unavailable] : [])];
	return {
		summary,
		security: security && [{ [security]: [] }],
		parameters: query || variables.length > 0 ? [...variables, ...(query ? parametersOf(query) : [])] : undefined,
		requestBody: body && { required: true, content: contentOf(body) },
		responses: {
			...Object.fromEntries(
				answers.map(({ status, description, content }) => [status, { description, content: contentOf(content) }]),
			),
			...problemsOf(operation),
			default: { description: "Any other problem", content: problem },
		},
	};
}

/** Matches the variable parts of a route's path, as Express writes them. */
const variable = /:(\w+)/g;

function pathOf(route: Route): Json {
	const variables = [...route.path.matchAll(variable)].map(([, name]) => ({
		name,
		in: "path",
		required: true,
		schema: { type: "string" },
	}));
	return Object.fromEntries(
		methods.flatMap((method) => {
			const [operation] = route[method] ?? [];
			return operation ? [[method, operationOf(operation, variables)]] : [];
		}),
	);
}

/** Describes routes as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0), with the schemas that their code uses. */
export function openApiDocument(routes: readonly Route[]): Json {
	const bearer = (description: string) => ({ type: "http", scheme: "bearer", description });
	return {
		openapi: "3.1.0",
		info: {
			title: "eventferry",
			version,
			description: "Carries a website's events to the profiles of its visitors.",
			license: { name: "MIT", identifier: "MIT" },
		},
		// This document is served at the path where the proxy is mounted.
		servers: [{ url: "." }],
		paths: Object.fromEntries(routes.map((route) => [route.path.replace(variable, "{$1}"), pathOf(route)])),
		components: {
			schemas: components(),
			securitySchemes: {
				serverKey: bearer("A site's server key (EVENTFERRY_SERVER_KEY), for its backend"),
				adminToken: bearer(
					"The admin token (EVENTFERRY_ADMIN_TOKEN), for operators. Not needed in sandbox mode on the same machine",
				),
			},
		},
	};
}

const getDocument: Operation = {
	summary: "This document",
	answer: ok("OpenAPI 3.1", json(z.record(z.string(), z.unknown()))),
};

/** Makes the route `GET /openapi.json`, which describes the given routes and itself. */
export function openApiRoute(routes: readonly Route[]): Route {
	let document: Buffer | undefined;
	const route: Route = {
		path: "/openapi.json",
		get: [
			getDocument,
			(_request, response) => {
				// One buffer serves all answers; a text would be copied for each of them.
				document ??= Buffer.from(JSON.stringify(openApiDocument([...routes, route])));
				response.set("Cache-Control", "no-cache").type("json").send(document);
			},
		],
	};
	return route;
}
