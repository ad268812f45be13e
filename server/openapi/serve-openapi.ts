import * as z from "zod";
import { json, type Operation, ok, type Route } from "../http/route.ts";
import { openApiDocument } from "./document.ts";

const getDocument: Operation = {
	summary: "This document",
	answer: ok("OpenAPI 3.1", json(z.record(z.string(), z.unknown()))),
	problems: [],
};

/** `GET /openapi.json`: describes the given routes and itself. Made at the first request. */
export function openApiRoute(routes: readonly Route[]): Route {
	let document: string | undefined;
	const route: Route = {
		path: "/openapi.json",
		get: [
			getDocument,
			(_request, response) => {
				document ??= JSON.stringify(openApiDocument([...routes, route]));
				response.set("Cache-Control", "no-cache").type("json").send(document);
			},
		],
	};
	return route;
}
