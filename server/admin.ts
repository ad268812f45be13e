import express, { type Request, type RequestHandler, type Response, Router } from "express";
import * as z from "zod";
import type { DestinationState } from "./delivery/hold.ts";
import { onlyMethods, RequestError } from "./ingest/problem.ts";
import type { Guess } from "./ingest/rate-limit.ts";
import { isLoopback } from "./loopback.ts";
import type { BudgetLimits, DeadLetter, Destination, DestinationStats, Outbox } from "./outbox/outbox.ts";
import { bearer, sameSecret } from "./secret.ts";
import type { StoredEvent } from "./stored-event.ts";

/** A destination as it is now, for whoever asks. */
export interface DestinationView {
	destination: Destination;
	limits: BudgetLimits;
	state: DestinationState;
	/** Requests sent since the start. */
	requests: number;
}

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
}

const id = z.string().regex(/^\d+$/, "must be the id of a dead letter");

const page = z.object({
	destination: z.string().optional(),
	reason: z.string().optional(),
	/** Comma-separated. */
	ids: z
		.string()
		.transform((text) => text.split(","))
		.pipe(z.array(id).max(500))
		.optional(),
	limit: z.coerce.number().int().min(1).max(500).default(50),
	cursor: id.optional(),
});

const selection = z.strictObject({
	ids: z.array(id).min(1).max(10_000).optional(),
	destination: z.string().optional(),
	reason: z.string().optional(),
	since: z.number().optional(),
	before: z.number().optional(),
});

function parse<Output>(schema: z.ZodType<Output>, value: unknown): Output {
	const result = schema.safeParse(value);
	if (result.success) return result.data;
	const [issue] = result.error.issues;
	throw new RequestError("malformed_body", `${issue?.path.join(".") || "the request"}: ${issue?.message}`);
}

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

/** A dead letter as operators see it. Tokens never get this far; the person is theirs to see. */
function view({ body, site: _site, ...letter }: DeadLetter) {
	return { ...letter, event: (JSON.parse(body) as StoredEvent).event };
}

/** What an operator asks: what is waiting, delivered and dead, and to try the dead again. */
export function createAdmin({ outbox, adminToken, sandbox, guess, destinations, counts }: AdminOptions): Router {
	const guard: RequestHandler = async (request, _response, next) => {
		const isOpen = sandbox && fromThisMachine(request);
		const given = bearer(request.headers.authorization) ?? "";
		const isRight = () => (adminToken !== undefined && sameSecret(given, adminToken)) || undefined;
		if (!isOpen && !(await guess(request, isRight))) {
			const hint =
				adminToken === undefined ? "no admin token is configured" : "send Authorization: Bearer and the admin token";
			throw new RequestError("invalid_admin_token", hint);
		}
		next();
	};

	const stats: RequestHandler = async (_request, response) => {
		const { journal, events, discarded, destinations: stored } = await outbox().stats();
		const running = destinations();
		const names = [...new Set(running.map(({ destination }) => destination.name))];
		response.json({
			journal,
			events,
			discarded,
			sinceStart: counts,
			destinations: Object.fromEntries(
				names.map((name) => [
					name,
					destinationStats(
						stored.filter(({ destination }) => destination.name === name),
						running.filter(({ destination }) => destination.name === name),
					),
				]),
			),
		});
	};

	const router = Router();
	const json = express.json({ limit: 1_048_576 });
	/** Which dead letters: a JSON object, always. A body that was not read must not mean all of them. */
	const selected = (request: Request) => {
		if (request.body === undefined) {
			throw new RequestError("unsupported_media_type", "say which as application/json; {} means all");
		}
		return parse(selection, request.body);
	};
	router.use(guard);
	router.get("/stats", stats);
	router.all("/stats", onlyMethods("GET"));
	router.get("/deadletters", async (request, response) => {
		const { items, cursor } = await outbox().deadLetters(parse(page, request.query));
		response.json({ items: items.map(view), ...(cursor !== undefined && { cursor }) });
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

/** What is stored and what runs of all sites' accounts with one provider, added up. */
function destinationStats(stored: DestinationStats[], running: DestinationView[]) {
	const sum = <Item>(items: Item[], of: (item: Item) => number) => items.reduce((total, item) => total + of(item), 0);
	const reasons = [...new Set(stored.flatMap(({ discarded }) => Object.keys(discarded)))];
	const oldest = stored.flatMap(({ oldestAt }) => oldestAt ?? []);
	const held = running.map(({ state }) => state).find(({ kind }) => kind === worst(running));
	return {
		state: worst(running),
		...(held && held.kind !== "running" && { until: held.until, reason: held.reason }),
		waiting: sum(stored, ({ owed }) => owed),
		lanes: sum(stored, ({ lanes }) => lanes),
		...(oldest.length > 0 && { oldestAt: Math.min(...oldest) }),
		delivered: sum(stored, ({ delivered }) => delivered),
		dead: sum(stored, ({ dead }) => dead),
		leftOut: sum(stored, ({ leftOut }) => leftOut),
		discarded: Object.fromEntries(
			reasons.map((reason) => [reason, sum(stored, (each) => each.discarded[reason] ?? 0)]),
		),
		requests: sum(running, ({ requests }) => requests),
		budget: running.map(({ destination, limits }) => {
			const used = stored.find((each) => each.destination.site === destination.site)?.budget;
			return {
				site: destination.site,
				limit: limits.cap,
				perMs: limits.windowMs,
				used: used?.used ?? 0,
				...(used && { since: used.windowStart }),
			};
		}),
	};
}

/** The state that matters most among several sites' accounts with one provider. */
export function worst(views: DestinationView[]): DestinationView["state"]["kind"] {
	const kinds = new Set(views.map(({ state }) => state.kind));
	return kinds.has("paused") ? "paused" : kinds.has("waiting") ? "waiting" : "running";
}
