import type { RequestHandler, Router } from "express";
import * as z from "zod";
import type { ProblemCode } from "../../shared/wire.ts";
import { RequestError } from "./problem.ts";

/** An answer other than a problem. */
export interface Answer {
	status: number;
	description: string;
	/** Schemas of the body by media type; null for a body that is not JSON. */
	content: Record<string, z.ZodType | null>;
}

/** The description of one method of a route, for the OpenAPI document. */
export interface Operation {
	summary: string;
	/** The secret that a request must carry. */
	security?: "serverKey" | "adminToken";
	query?: z.ZodObject;
	/** Schemas of the body by media type. */
	body?: Record<string, z.ZodType>;
	answer: Answer;
	/** A second answer that is not a problem: `/readyz` answers 503 with the same body as 200. */
	unavailable?: Answer;
	problems?: readonly ProblemCode[];
}

/** Methods that a route can have, besides HEAD and OPTIONS. */
export const methods = ["get", "post", "delete"] as const;

/** A path with its methods. Each method comes with its description, so that the OpenAPI document lacks none. */
export interface Route extends Partial<Record<(typeof methods)[number], [Operation, ...RequestHandler[]]>> {
	path: string;
	/** Runs before every method, including refused ones. */
	before?: RequestHandler;
	/** Answers CORS preflights, which the OpenAPI document omits. */
	options?: RequestHandler;
}

/** Serves routes on a router. Answers HEAD like GET, and a method that a route lacks with 405 and `Allow`. */
export function mount(router: Router, routes: readonly Route[]): void {
	for (const { path, before, options, ...described } of routes) {
		const target = router.route(path);
		if (before) target.all(before);
		if (options) target.options(options);
		for (const method of methods) {
			const [, ...handlers] = described[method] ?? [];
			if (handlers.length > 0) target[method](handlers);
		}
		const served = methods.filter((method) => described[method]);
		target.all(refuse([...served, ...(described.get ? ["head"] : []), ...(options ? ["options"] : [])]));
	}
}

function refuse(served: string[]): RequestHandler {
	const allowed = served.join(", ").toUpperCase();
	return (request, response) => {
		response.set("Allow", allowed);
		throw new RequestError("method_not_allowed", `${request.method} is not allowed here, only ${allowed}`);
	};
}

/** Names of schemas in the OpenAPI document. */
export const schemaNames = z.registry<{ id: string }>();

/** Names a schema, so that the OpenAPI document has it once and refers to it. */
export function named<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
	schemaNames.add(schema, { id });
	return schema;
}

export const json = (schema: z.ZodType) => ({ "application/json": schema });
export const ok = (description: string, content: Answer["content"]): Answer => ({ status: 200, description, content });

/** Problems of every route that reads a body. */
export const bodyProblems: readonly ProblemCode[] = ["malformed_body", "body_too_large", "unsupported_media_type"];
/** Problems of every route that uses the store and limits requests. */
const storeProblems: readonly ProblemCode[] = ["store_unavailable", "rate_limited"];
/** Problems of every route that changes the store, where a commit's answer can be lost. */
export const writeProblems: readonly ProblemCode[] = [...storeProblems, "outcome_unknown"];
/** Problems of every route for backends. */
export const backendProblems: readonly ProblemCode[] = ["invalid_server_key", ...writeProblems];
/** Problems of every route for operators. */
export const operatorProblems: readonly ProblemCode[] = ["invalid_admin_token", ...storeProblems];
