import express, { type Request, type RequestHandler, Router } from "express";
import * as z from "zod";
import { isLoopback } from "./config-schema.ts";
import { onlyMethods, RequestError } from "./ingest/problem.ts";
import type { DeadLetter, Outbox } from "./outbox/outbox.ts";
import type { DestinationView } from "./proxy.ts";
import { bearer, sameSecret } from "./secret.ts";
import type { StoredEvent } from "./stored-event.ts";

export interface AdminOptions {
	outbox(): Outbox;
	/** Without one, only sandbox mode lets anybody in. */
	adminToken: string | undefined;
	sandbox: boolean;
	destinations(): DestinationView[];
	/** What was counted since the start. */
	counts: Readonly<Record<string, number>>;
}

const page = z.object({
	destination: z.string().optional(),
	limit: z.coerce.number().int().min(1).max(500).default(50),
	cursor: z.string().regex(/^\d+$/).optional(),
});

const selection = z.strictObject({
	ids: z.array(z.string().regex(/^\d+$/)).min(1).max(10_000).optional(),
	destination: z.string().optional(),
	reason: z.string().optional(),
});

function parse<Output>(schema: z.ZodType<Output>, value: unknown): Output {
	const result = schema.safeParse(value);
	if (result.success) return result.data;
	const [issue] = result.error.issues;
	throw new RequestError("malformed_body", `${issue?.path.join(".") || "the request"}: ${issue?.message}`);
}

/** Whether sandbox mode needs no token: from this machine, by its own name (not a rebound one), not from another site's page. */
function fromThisMachine({ headers: { host, origin }, socket }: Request): boolean {
	const local = /^(::1|(::ffff:)?127\.[\d.]+)$/.test(socket.remoteAddress ?? "");
	return (
		local &&
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
export function createAdmin({ outbox, adminToken, sandbox, destinations, counts }: AdminOptions): Router {
	const guard: RequestHandler = (request, _response, next) => {
		const open = sandbox && fromThisMachine(request);
		const given = bearer(request.headers.authorization) ?? "";
		if (!open && !(adminToken !== undefined && sameSecret(given, adminToken))) {
			const hint =
				adminToken === undefined ? "no admin token is configured" : "send Authorization: Bearer and the admin token";
			throw new RequestError("invalid_admin_token", hint);
		}
		next();
	};

	const stats: RequestHandler = async (_request, response) => {
		const stored = await outbox().stats();
		const running = destinations();
		const byName: Record<string, unknown> = {};
		for (const name of new Set(running.map((each) => each.name))) {
			const mine = stored.destinations.filter(({ destination }) => destination.name === name);
			const sum = (key: "owed" | "lanes" | "delivered" | "dead") => mine.reduce((total, each) => total + each[key], 0);
			const discarded: Record<string, number> = {};
			for (const each of mine) {
				for (const [reason, by] of Object.entries(each.discarded)) discarded[reason] = (discarded[reason] ?? 0) + by;
			}
			const oldest = mine.flatMap(({ oldestAt }) => oldestAt ?? []);
			byName[name] = {
				state: worst(running.filter((each) => each.name === name)),
				waiting: sum("owed"),
				lanes: sum("lanes"),
				...(oldest.length > 0 && { oldestAt: Math.min(...oldest) }),
				delivered: sum("delivered"),
				dead: sum("dead"),
				discarded,
				requests: running.reduce((total, each) => total + (each.name === name ? each.requests : 0), 0),
			};
		}
		response.json({
			journal: stored.journal,
			events: stored.events,
			discarded: stored.discarded,
			sinceStart: counts,
			destinations: byName,
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
	router.delete("/deadletters", json, async (request, response) => {
		response.json({ discarded: await outbox().discard(selected(request)) });
	});
	router.all("/deadletters", onlyMethods("GET", "DELETE"));
	router.post("/deadletters/replay", json, async (request, response) => {
		response.json({ replayed: await outbox().replay(selected(request)) });
	});
	router.all("/deadletters/replay", onlyMethods("POST"));
	return router;
}

/** The state that matters most among several sites' accounts with one provider. */
export function worst(views: DestinationView[]): DestinationView["state"]["kind"] {
	const kinds = new Set(views.map(({ state }) => state.kind));
	return kinds.has("paused") ? "paused" : kinds.has("waiting") ? "waiting" : "running";
}
