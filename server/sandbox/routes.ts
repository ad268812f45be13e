import { type ErrorRequestHandler, type RequestHandler, type Response, Router } from "express";
import * as z from "zod";

/** The parts of a request that handlers read. */
export interface Request {
	params: Record<string, string>;
	query: Record<string, unknown>;
	body: unknown;
}

/** An answer: its status, and the body that is sent as JSON. */
export interface Reply {
	status: number;
	body?: unknown;
}

export type Handler = (request: Request) => Reply;

const methods = ["get", "post", "put", "patch", "delete"] as const;

/** Paths with their methods. */
export type Routes = Record<string, Partial<Record<(typeof methods)[number], Handler>>>;

/** A provider's answers to requests that reach no handler. */
interface Refusals {
	/** The body is not declared as JSON or is not valid JSON. */
	body(why: string): Reply;
	method: Reply;
	route: Reply;
	/** A segment of the path cannot be decoded. */
	path: Reply;
}

/** Schema of requests whose body is ignored. */
export const anything = z.unknown();

export function send(response: Response, { status, body }: Reply): void {
	response.status(status);
	if (body === undefined) response.end();
	else response.json(body);
}

/** Makes handlers that check the body first. `invalid` is the answer to a body that does not match the schema. */
export function handlers(invalid: (error: z.ZodError) => Reply) {
	/** Handles requests whose body matches the schema. */
	const valid =
		<Body>(schema: z.ZodType<Body>, handle: (body: Body, request: Request) => Reply): Handler =>
		(request) => {
			const { success, data, error } = schema.safeParse(request.body);
			return success ? handle(data, request) : invalid(error);
		};

	/** Makes handlers of requests about a thing that the path names. `missing` is the answer if there is none. */
	const about =
		<Thing>(find: (params: Request["params"]) => Thing | undefined, missing: Reply) =>
		<Body>(schema: z.ZodType<Body>, handle: (thing: Thing, body: Body, request: Request) => Reply): Handler =>
			valid(schema, (body, request) => {
				const thing = find(request.params);
				return thing ? handle(thing, body, request) : missing;
			});

	return { valid, about };
}

/** Makes a router with literal paths: `/event/` is not `/event`, and there is no redirect. */
export const literalRouter = (): Router => Router({ strict: true, caseSensitive: true });

/** Serves a provider's routes, and refuses all other requests. */
export function serve(router: Router, routes: Routes, refusals: Refusals): void {
	router.use(parseBody(refusals.body));
	for (const [path, handlersOf] of Object.entries(routes)) {
		const route = router.route(path);
		for (const method of methods) {
			const handle = handlersOf[method];
			if (handle) route[method]<Record<string, string>>((request, response) => send(response, handle(request)));
		}
		route.all((_request, response) => send(response, refusals.method));
	}
	router.use((_request, response) => send(response, refusals.route));
	// Express passes path segments that it cannot decode to error handlers.
	router.use(((_error, _request, response, _next) => send(response, refusals.path)) satisfies ErrorRequestHandler);
}

/** Parses the body that the record has read as text. */
function parseBody(refusal: Refusals["body"]): RequestHandler {
	return (request, response, next) => {
		if (typeof request.body !== "string") return next();
		if (!request.is("application/json")) return send(response, refusal("Content-Type must be application/json"));
		try {
			request.body = JSON.parse(request.body);
		} catch {
			return send(response, refusal("The body is not valid JSON"));
		}
		next();
	};
}
