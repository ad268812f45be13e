import { parse as parseQuery } from "node:querystring";
import type { Request, RequestHandler, Response } from "express";
import {
	type BudgetHistory,
	type DeadLetterPageView,
	deadLetterQuerySchema,
	deadLetterSelectionSchema,
	type Explanation,
	explainedEventSchema,
	type SearchReply,
	type SetAsidePageView,
	type Stats,
	searchSchema,
	setAsideQuerySchema,
	setAsideSelectionSchema,
} from "../../shared/admin.ts";
import { bodyOf, jsonBody, parseInput } from "../http/parse-request.ts";
import { RequestError } from "../http/problem.ts";
import type { Guess, IsCompared } from "../http/rate-limit.ts";
import type { Route } from "../http/route.ts";
import { bearer, sameSecret } from "../http/secret.ts";
import { fromThisMachine } from "../http/this-machine.ts";
import type { Activity } from "../observe/activity.ts";
import type { Observed } from "../observe/observed.ts";
import { budgetHistory } from "./budget-history.ts";
import { deadLetterView } from "./dead-letter.ts";
import type { JourneySources } from "./journeys.ts";
import type { LiveStream } from "./live.ts";
import * as operations from "./operations.ts";
import { keysOf, search } from "./search.ts";
import { setAsideView } from "./set-aside.ts";
import { statsView } from "./stats.ts";

export interface AdminOptions extends Observed, Pick<JourneySources, "skipped"> {
	/** Operators' token. Undefined: `/admin` is closed, except in sandbox mode. */
	adminToken: string | undefined;
	sandbox: boolean;
	/** Limits wrong guesses of the token. */
	guess: Guess;
	/** Counts since the start, by name. */
	counts: Readonly<Record<string, number>>;
	activity: Activity;
	live: LiveStream;
	/** Explains what an event's destinations would be sent, or tells the event's flaw. */
	explain(event: unknown): Explanation | { flaw: string };
}

/** Time that a search may take, ms. */
const searchMs = 10_000;

/** Makes the operators' routes, and the handler that refuses everybody else below `/admin`. */
export function createAdmin(options: AdminOptions): { operatorsOnly: RequestHandler; routes: Route[] } {
	const { outbox, adminToken, sandbox, guess, deliveries, counts, live, labelOf } = options;
	const operatorsOnly: RequestHandler = (request, _response, next) => {
		const isOpen = sandbox && fromThisMachine(request);
		const given = bearer(request.headers.authorization) ?? "";
		// Guard (SECURITY.md): admin-token
		const isRight = (isCompared: IsCompared) =>
			(adminToken !== undefined && isCompared(adminToken) && sameSecret(given, adminToken)) || undefined;
		if (!isOpen && !guess(request, isRight)) {
			const hint = adminToken
				? "send the admin token as Authorization: Bearer <token>"
				: "/admin is closed: set EVENTFERRY_ADMIN_TOKEN on the proxy";
			throw new RequestError("invalid_admin_token", hint);
		}
		next();
	};

	const json = jsonBody(1_048_576);
	const selected = (request: Request) =>
		withPeople(parseInput(deadLetterSelectionSchema, bodyOf(request, "send a selection as application/json")));

	async function stats(_request: Request, response: Response): Promise<void> {
		const view = statsView(await outbox().stats(), options);
		response.json({ ...view, sinceStart: counts } satisfies Stats);
	}
	async function budget(_request: Request, response: Response): Promise<void> {
		response.json((await budgetHistory(options)) satisfies BudgetHistory);
	}
	async function find(request: Request, response: Response): Promise<void> {
		const body = bodyOf(request, "send an event or a person to search for as application/json");
		const closed = new AbortController();
		response.once("close", () => closed.abort());
		const signal = AbortSignal.any([closed.signal, AbortSignal.timeout(searchMs)]);
		const destinations = deliveries().map(({ destination }) => destination);
		const within = { ...options, outbox: outbox(), destinations, signal };
		response.json((await search(parseInput(searchSchema, body), within)) satisfies SearchReply);
	}
	async function deadLetters(request: Request, response: Response): Promise<void> {
		const query = withPeople(parseInput(deadLetterQuerySchema, queryOf(request)));
		const signal = AbortSignal.timeout(searchMs);
		const items: DeadLetterPageView["items"] = [];
		let { cursor } = query;
		do {
			const page = await outbox().deadLetters({ ...query, limit: query.limit - items.length, cursor });
			items.push(...page.items.map(deadLetterView));
			({ cursor } = page);
		} while (cursor !== undefined && items.length < query.limit && !signal.aborted && !response.destroyed);
		response.json({ items, cursor } satisfies DeadLetterPageView);
	}
	const discard: RequestHandler = (request, response) =>
		inSteps("discarded", response, (onProgress) => outbox().discard(selected(request), onProgress));
	const replay: RequestHandler = (request, response) =>
		inSteps("replayed", response, (onProgress) => outbox().replay(selected(request), onProgress));
	async function setAside(request: Request, response: Response): Promise<void> {
		const { items, cursor } = await outbox().listSetAside(parseInput(setAsideQuerySchema, queryOf(request)));
		response.json({ items: items.map((batch) => setAsideView(batch, labelOf)), cursor } satisfies SetAsidePageView);
	}
	function batches(request: Request): { ids?: string[] } {
		const body = bodyOf(request, "send a selection as application/json");
		const selection = parseInput(setAsideSelectionSchema, body);
		return "ids" in selection ? selection : {};
	}
	async function retryBatches(request: Request, response: Response): Promise<void> {
		response.json({ retried: await outbox().retrySetAside(batches(request)) });
	}
	async function discardBatches(request: Request, response: Response): Promise<void> {
		response.json({ discarded: await outbox().discardSetAside(batches(request)) });
	}
	function explain(request: Request, response: Response): void {
		const body = bodyOf(request, "send an event as application/json");
		const explanation = options.explain(parseInput(explainedEventSchema, body));
		if ("flaw" in explanation) throw new RequestError("malformed_body", explanation.flaw);
		response.json(explanation satisfies Explanation);
	}
	// During a stop `outbox` throws: a stream that began then would keep the server from closing.
	const unlessStopping: RequestHandler = (_request, _response, next) => next(void outbox());

	return {
		operatorsOnly,
		routes: [
			{ path: "/admin/stats", get: [operations.getStats, stats] },
			{ path: "/admin/live", get: [operations.getLive, unlessStopping, live.answer] },
			{ path: "/admin/budget", get: [operations.getBudget, budget] },
			{ path: "/admin/search", post: [operations.postSearch, json, find] },
			{ path: "/admin/explain", post: [operations.postExplain, json, explain] },
			{
				path: "/admin/deadletters",
				get: [operations.getDeadLetters, deadLetters],
				delete: [operations.deleteDeadLetters, json, discard],
			},
			{ path: "/admin/deadletters/replay", post: [operations.postReplay, json, replay] },
			{ path: "/admin/journal", get: [operations.getJournal, setAside] },
			{ path: "/admin/journal/retry", post: [operations.postJournalRetry, json, retryBatches] },
			{ path: "/admin/journal/discard", post: [operations.postJournalDiscard, json, discardBatches] },
		],
	};
}

/** Replaces the name of a person by the keys of the people that it may mean. */
const withPeople = <Selection extends { person?: string | undefined }>({ person, ...rest }: Selection) => ({
	...rest,
	...(person !== undefined && { people: keysOf(person) }),
});

/** Parses the query. The app around the router decides how Express parses `request.query`, so that is not used. */
function queryOf({ url }: Request) {
	const [, query = ""] = url.split("?");
	return parseQuery(query);
}

/**
 * Answers with the number of dead letters changed. To a client that accepts `application/x-ndjson`, sends a line after
 * each step, such as `{ "replayed": 500 }`. The last line has `"done": true`; if it is absent, the change may be
 * incomplete.
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
