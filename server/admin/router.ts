import express, { type Request, type RequestHandler, type Response, Router } from "express";
import {
	type BudgetHistory,
	type DeadLetterPageView,
	deadLetterQuerySchema,
	deadLetterSelectionSchema,
	type SearchReply,
	type Stats,
	searchSchema,
} from "../../shared/admin.ts";
import type { Event } from "../../shared/event.ts";
import { isLoopback } from "../http/loopback.ts";
import { bodyOf, parse } from "../http/parse-request.ts";
import { onlyMethods, RequestError } from "../http/problem.ts";
import type { Guess } from "../http/rate-limit.ts";
import { bearer, sameSecret } from "../http/secret.ts";
import type { Activity } from "../observe/activity.ts";
import type { DestinationView } from "../observe/destination-view.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { budgetHistory } from "./budget-history.ts";
import { deadLetterView } from "./dead-letter.ts";
import type { Live } from "./live.ts";
import { queryOf } from "./query.ts";
import { search } from "./search.ts";
import { statsView } from "./stats.ts";

export interface AdminOptions {
	outbox(): Outbox;
	/** Without one, only sandbox mode lets anybody in. */
	adminToken: string | undefined;
	sandbox: boolean;
	/** Bounds how often the token can be guessed. */
	guess: Guess;
	destinations(): DestinationView[];
	/** What was counted since the start. */
	counts: Readonly<Record<string, number>>;
	activity: Activity;
	live: Live;
	/** What a site of the store is called. */
	labelOf(site: string): string;
	/** Which destinations cannot be told of this event's person. */
	notAddressable(site: string, event: Event): string[];
	now(): number;
}

/** How long a search looks, ms. */
const searchMs = 10_000;

/**
 * Whether sandbox mode needs no token: from this machine and not through a proxy on it, by its own name (not a rebound
 * one), not from another site's page.
 */
function fromThisMachine({ headers: { host, origin, ...headers }, socket }: Request): boolean {
	const isLocal = /^(::1|(::ffff:)?127\.[\d.]+)$/.test(socket.remoteAddress ?? "");
	const isForwarded = headers["x-forwarded-for"] !== undefined || headers.forwarded !== undefined;
	return (
		isLocal &&
		!isForwarded &&
		host !== undefined &&
		!host.includes("@") &&
		isLoopback(`http://${host}`) &&
		(origin === undefined || origin === `http://${host}`)
	);
}

/** What an operator asks: what is waiting, delivered and dead, and to try the dead again. */
export function createAdmin(options: AdminOptions): Router {
	const { outbox, adminToken, sandbox, guess, destinations, counts, live, now } = options;
	const guard: RequestHandler = (request, _response, next) => {
		const isOpen = sandbox && fromThisMachine(request);
		const given = bearer(request.headers.authorization) ?? "";
		const isRight = () => (adminToken !== undefined && sameSecret(given, adminToken)) || undefined;
		if (!isOpen && !guess(request, isRight)) {
			const hint =
				adminToken === undefined ? "no admin token is configured" : "send Authorization: Bearer and the admin token";
			throw new RequestError("invalid_admin_token", hint);
		}
		next();
	};

	const router = Router();
	const json = express.json({ limit: 1_048_576 });
	/** Which dead letters: a JSON object, always. A body that was not read must not mean all of them. */
	const selected = (request: Request) =>
		parse(deadLetterSelectionSchema, bodyOf(request, "say which as application/json; {} means all"));
	router.use(guard);
	router.get("/stats", async (_request, response) => {
		const view = statsView(await outbox().stats(), { ...options, running: destinations(), now: now() });
		response.json({ ...view, sinceStart: counts } satisfies Stats);
	});
	router.all("/stats", onlyMethods("GET"));
	// Nobody begins to watch while the proxy stops: it would keep its server open.
	router.get("/live", (_request, _response, next) => next(void outbox()), live.route);
	router.all("/live", onlyMethods("GET"));
	router.get("/budget", async (_request, response) => {
		const history = await budgetHistory(outbox(), { ...options, running: destinations(), now: now() });
		response.json(history satisfies BudgetHistory);
	});
	router.all("/budget", onlyMethods("GET"));
	router.post("/search", json, async (request, response) => {
		const wanted = parse(searchSchema, bodyOf(request, "say what is looked for as application/json"));
		const gone = new AbortController();
		response.once("close", () => gone.abort());
		const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(searchMs)]);
		const names = destinations().map(({ destination }) => destination);
		const found = await search(wanted, { ...options, outbox: outbox(), destinations: names, signal });
		response.json(found satisfies SearchReply);
	});
	router.all("/search", onlyMethods("POST"));
	router.get("/deadletters", async (request, response) => {
		const { items, cursor } = await outbox().deadLetters(parse(deadLetterQuerySchema, queryOf(request)));
		const shown = { items: items.map(deadLetterView), ...(cursor !== undefined && { cursor }) };
		response.json(shown satisfies DeadLetterPageView);
	});
	router.delete("/deadletters", json, (request, response) =>
		inSteps("discarded", response, (onProgress) => outbox().discard(selected(request), onProgress)),
	);
	router.all("/deadletters", onlyMethods("GET", "DELETE"));
	router.post("/deadletters/replay", json, (request, response) =>
		inSteps("replayed", response, (onProgress) => outbox().replay(selected(request), onProgress)),
	);
	router.all("/deadletters/replay", onlyMethods("POST"));
	return router;
}

/**
 * Answers how many dead letters were changed: once, or to whoever accepts `application/x-ndjson` with a line
 * after each step, `{ "replayed": 500 }`, the last of which has `"done": true`. An answer that ends without it failed.
 */
async function inSteps(
	name: "replayed" | "discarded",
	response: Response,
	change: (onProgress: (done: number) => void) => Promise<number>,
): Promise<void> {
	const inLines = response.req.accepts(["application/json", "application/x-ndjson"]) === "application/x-ndjson";
	const line = (content: object) => {
		if (!response.headersSent) response.type("application/x-ndjson");
		response.write(`${JSON.stringify(content)}\n`);
	};
	const count = await change((done) => inLines && line({ [name]: done }));
	if (!inLines) return void response.json({ [name]: count });
	line({ [name]: count, done: true });
	response.end();
}
