import { Router } from "express";
import { onlyMethods } from "../http/problem.ts";
import { openApiDocument } from "./document.ts";

/** `GET /openapi.json`, made when it is first asked for. */
export function createOpenApi(): Router {
	let document: string | undefined;
	const router = Router();
	router.get("/openapi.json", (_request, response) => {
		document ??= JSON.stringify(openApiDocument());
		response.set("Cache-Control", "no-cache").type("json").send(document);
	});
	router.all("/openapi.json", onlyMethods("GET", "HEAD"));
	return router;
}
