import express, { type Express, type RequestHandler, Router } from "express";
import * as z from "zod";
import { type AdminOptions, createAdmin } from "./admin/routes.ts";
import { consoleRoutes } from "./console/serve-console.ts";
import { inTurn } from "./http/in-turn.ts";
import { problemHandler, RequestError } from "./http/problem.ts";
import { json, mount, named, type Operation, ok, type Route } from "./http/route.ts";
import { scriptRoute } from "./http/snippet-file.ts";
import type { Metrics } from "./observe/metrics.ts";
import { missingDestinations } from "./observe/missing.ts";
import { byDestination, worstState } from "./observe/observed.ts";
import { observeRequests, requestId } from "./observe/request-log.ts";
import { openApiRoute } from "./openapi/document.ts";
import type { Outbox } from "./outbox/outbox.ts";
import { moveSegmentRequests } from "./segment/routes.ts";

export interface RouterOptions extends Omit<AdminOptions, "requestsPerEvent"> {
	/** The routes for events and people, under `/v1` and `/segment`. */
	eventRoutes: Route[];
	metrics: Metrics;
	/** Tells whether visitors behind a proxy share its address, because their own is not read. */
	isAddressShared(): boolean;
	/** Receives unexpected errors, with the request's id. The client is told nothing of them. */
	onFault(error: unknown, requestId: string | undefined): void;
}

/** Age from which a batch in the journal is a warning, as another process takes over from a broken one in 15 s, ms. */
const oldMs = 60_000;

const getHealth: Operation = {
	summary: "Liveness of the proxy",
	answer: ok("Alive", json(named("Health", z.object({ status: z.literal("ok") })))),
};

const readiness = named(
	"Readiness",
	z.object({
		store: z.enum(["ok", "unavailable"]),
		destinations: z.record(z.string(), z.enum(["running", "waiting", "paused"])),
		warnings: z.array(
			z.discriminatedUnion("code", [
				z.object({ code: z.literal("stuck_batches"), count: z.number() }),
				z.object({ code: z.literal("journal_old"), seconds: z.number() }),
				z.object({ code: z.literal("newer_schema") }),
				z.object({ code: z.literal("store_full") }),
				z.object({ code: z.literal("shared_address") }),
				z.object({ code: z.literal("destination_missing"), destination: z.string(), waiting: z.number() }),
				z.object({ code: z.literal("creation_refused"), destination: z.string(), reason: z.string() }),
			]),
		),
	}),
);
const getReadiness: Operation = {
	summary: "Readiness of the proxy: its store, and the states of its destinations",
	answer: ok("Ready, also with paused destinations or warnings", json(readiness)),
	unavailable: {
		status: 503,
		description: "The store is not available or full for the backend too, or the proxy is stopping",
		content: json(readiness),
	},
};

/** Makes the proxy's router, to be mounted anywhere. Leaves unknown paths to the app around it. */
export function createRouter({ eventRoutes, metrics, log, isAddressShared, onFault, ...admin }: RouterOptions): Router {
	let checking: ReturnType<Outbox["check"]> | undefined;
	/** Checks the store; undefined: it is down. Requests that come meanwhile share the answer, as anybody may send them. */
	async function checkStore() {
		try {
			checking ??= admin
				.outbox()
				.check()
				.finally(() => {
					checking = undefined;
				});
			return await checking;
		} catch {
			return undefined;
		}
	}
	const answerReady: RequestHandler = async (_request, response) => {
		const [store, stats] = await Promise.all([checkStore(), metrics.stats()]);
		const isFull = store?.isFull ?? stats?.room?.isFull;
		const states = byDestination(admin.deliveries()).map(([name, all]) => [name, worstState(all).kind]);
		response.status(store ? 200 : 503).json({
			store: store ? "ok" : "unavailable",
			destinations: Object.fromEntries(states),
			warnings: [
				...(stats?.isOutdated ? [{ code: "newer_schema" }] : []),
				...(isFull ? [{ code: "store_full" }] : []),
				...(stats?.stuck ? [{ code: "stuck_batches", count: stats.stuck }] : []),
				...(stats && stats.journalAge >= oldMs
					? [{ code: "journal_old", seconds: Math.floor(stats.journalAge / 1_000) }]
					: []),
				...byDestination(admin.deliveries()).flatMap(([destination, all]) => {
					const [hold] = all.flatMap(({ dispatcher }) => dispatcher.creationHold() ?? []);
					return hold ? [{ code: "creation_refused", destination, reason: hold.reason }] : [];
				}),
				...missingDestinations(stats, admin.deliveries()).map(({ name: destination, waiting }) => ({
					...{ code: "destination_missing", destination, waiting },
				})),
				...(isAddressShared() ? [{ code: "shared_address" }] : []),
			],
		});
	};

	const { operatorsOnly, routes } = createAdmin({ ...admin, log, requestsPerEvent: metrics.requestsPerEvent });
	const described: Route[] = [
		...eventRoutes,
		scriptRoute("client.js"),
		scriptRoute("adopt.js"),
		{ path: "/healthz", get: [getHealth, (_request, response) => void response.json({ status: "ok" })] },
		{ path: "/readyz", get: [getReadiness, answerReady] },
		metrics.route,
		...consoleRoutes(),
		...routes,
	];
	const all = [...described, openApiRoute(described)];

	// A reverse proxy's rule for a path must not be passed by another spelling of it.
	// Guard (SECURITY.md): strict-paths
	const router = Router({ caseSensitive: true, strict: true });
	const observe = observeRequests(log, metrics.answered);
	// One handler, as the router matches the paths of each handler anew.
	router.use(firstSegments(all), (request, response, next) =>
		inTurn(request, response, () => observe(request, response, next)),
	);
	// Guard (SECURITY.md): no-sniffing
	router.use(["/v1", "/segment", "/admin"], noSniffing);
	router.use("/admin", operatorsOnly);
	router.use(moveSegmentRequests);
	mount(router, all);
	router.use(["/v1", "/segment", "/admin"], nothingHere);
	router.use(problemHandler((error, response) => onFault(error, requestId(response))));
	return router;
}

/** Returns the first segments of all paths, such as `/v1` of `/v1/batch`: requests below them are logged. */
const firstSegments = (routes: Route[]) => [...new Set(routes.map(({ path }) => path.split("/", 2).join("/")))];

/** Forbids sniffing and caching, because answers contain text of visitors and providers. */
const noSniffing: RequestHandler = (_request, response, next) => {
	response.set({ "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store" });
	next();
};

const nothingHere: RequestHandler = (request) => {
	throw new RequestError("not_found", `there is no ${request.method} ${request.baseUrl}${request.path} here`);
};

/** Makes the app around the proxy's router, for `eventferry serve`. */
export function createApp(routers: Router[], onFault: (error: unknown) => void): Express {
	const app = express();
	app.disable("x-powered-by");
	app.use(...routers, nothingHere, problemHandler(onFault));
	return app;
}
