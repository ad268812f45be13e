import express, { type Express, type RequestHandler, Router } from "express";
import type { Logger } from "pino";
import { type AdminOptions, createAdmin } from "./admin/router.ts";
import { createConsole } from "./console/serve-console.ts";
import { onlyMethods, problemHandler, RequestError } from "./http/problem.ts";
import { serveSnippet } from "./http/snippet-file.ts";
import { worst } from "./observe/destination-view.ts";
import type { Metrics } from "./observe/metrics.ts";
import { observeRequests, requestId } from "./observe/request-log.ts";
import { createOpenApi } from "./openapi/serve-openapi.ts";

export interface RouterOptions extends AdminOptions {
	/** Events in, and what else is asked under `/v1`. */
	ingest: Router[];
	metrics: Metrics;
	log: Logger;
	/** Told of what went wrong unforeseen, with the request's id; the client is not. */
	onFault(error: unknown, requestId: string | undefined): void;
}

/** Everything below these is the router's own; other paths are left to the app around it. */
const ownPaths = ["/v1", "/client.js", "/healthz", "/readyz", "/metrics", "/openapi.json", "/admin", "/console"];

/** The proxy's routes, to be mounted anywhere. Paths it does not know are left to the app around it. */
export function createRouter({ ingest, metrics, log, onFault, ...admin }: RouterOptions): Router {
	const readiness: RequestHandler = async (_request, response) => {
		const { destinations } = admin;
		const names = [...new Set(destinations().map(({ destination }) => destination.name))];
		const store = await Promise.resolve()
			.then(() => admin.outbox().check())
			.then(
				() => "ok",
				() => "unavailable",
			);
		response.status(store === "ok" ? 200 : 503).json({
			store,
			destinations: Object.fromEntries(
				names.map((name) => [name, worst(destinations().filter(({ destination }) => destination.name === name))]),
			),
		});
	};

	const router = Router();
	router.use(ownPaths, observeRequests(log, metrics.answered));
	router.use(["/v1", "/admin"], asItSays);
	router.use(...ingest);
	router.get("/client.js", serveSnippet());
	router.all("/client.js", onlyMethods("GET", "HEAD"));
	router.get("/healthz", (_request, response) => void response.json({ status: "ok" }));
	router.all("/healthz", onlyMethods("GET", "HEAD"));
	router.get("/readyz", readiness);
	router.all("/readyz", onlyMethods("GET", "HEAD"));
	router.get("/metrics", metrics.route);
	router.all("/metrics", onlyMethods("GET", "HEAD"));
	router.use("/admin", createAdmin(admin));
	router.use(createConsole());
	router.use(createOpenApi());
	router.use(["/v1", "/admin"], nothingHere);
	router.use(problemHandler((error, response) => onFault(error, requestId(response))));
	return router;
}

/** An answer holds what others have sent: it is what its Content-Type says, and nobody keeps it. */
const asItSays: RequestHandler = (_request, response, next) => {
	response.set({ "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store" });
	next();
};

const nothingHere: RequestHandler = (request) => {
	throw new RequestError("not_found", `there is no ${request.method} ${request.baseUrl}${request.path} here`);
};

/** An app of its own around the proxy's router, for `eventferry serve`. */
export function createApp(routers: Router[], onFault: (error: unknown) => void): Express {
	const app = express();
	app.disable("x-powered-by");
	app.use(...routers, nothingHere, problemHandler(onFault));
	return app;
}
