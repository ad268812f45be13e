import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type * as z from "zod";
import {
	budgetHistorySchema,
	deadLetterGroupsSchema,
	deadLetterPageSchema,
	exchangeReplySchema,
	type LiveDelivery,
	liveLineSchema,
	type SearchReply,
	searchReplySchema,
	statsSchema,
} from "../../shared/admin.ts";
import { runHere } from "../support/command.ts";
import { adminToken, event, problemOf, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

let running: RunningProxy;
beforeEach(async () => {
	running = await runProxy();
});
afterEach(() => running.stop());

/** Resolves to the body of an answer. Expects the body to match the schema exactly. */
async function answerOf<Output>(schema: z.ZodType<Output>, response: Response): Promise<Output> {
	const body = await response.json();
	expect(schema.parse(body)).toEqual(body);
	return body as Output;
}
const search = async (wanted: unknown): Promise<SearchReply> =>
	answerOf(
		searchReplySchema,
		await running.admin("/search", {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify(wanted),
		}),
	);
/** Searches until the delivery to Crisp is in this state. */
const found = (wanted: unknown, state: string) =>
	vi.waitFor(
		async () => {
			const { journeys } = await search(wanted);
			const [journey] = journeys;
			if (journey?.deliveries[0]?.state !== state) throw new Error(JSON.stringify(journeys));
			return journey;
		},
		{ timeout: 60_000 },
	);
const ada = { email: "Ada@Example.com" };
const known = () => running.sandbox.addPerson("crisp", { email: "ada@example.com" });
const refuse = { status: 400, body: { error: true, reason: "invalid_data", data: { message: "no" } }, times: 1 };

describe("GET /admin/live", () => {
	/** Yields the lines as they arrive. */
	async function* lines(): AsyncGenerator<z.infer<typeof liveLineSchema>> {
		const response = await running.admin("/live");
		expect(response.headers.get("content-type")).toMatch("application/x-ndjson");
		const decoder = new TextDecoder();
		let text = "";
		for await (const chunk of response.body ?? []) {
			text += decoder.decode(chunk, { stream: true });
			const complete = text.split("\n");
			text = complete.pop() ?? "";
			for (const line of complete) {
				const parsed = JSON.parse(line);
				expect(liveLineSchema.parse(parsed)).toEqual(parsed);
				yield parsed;
			}
		}
	}
	/** Resolves to the next deliveries of the stream. */
	async function next(count: number): Promise<LiveDelivery[]> {
		const deliveries: LiveDelivery[] = [];
		for await (const line of lines()) {
			if (line.kind === "delivery") deliveries.push(line);
			if (deliveries.length === count) break;
		}
		return deliveries;
	}

	it("reports each request: its time, route, person, events, outcome and duration", async () => {
		const watching = next(3);
		const first = event({ person: ada });
		await running.batch(first);
		const [missing, created, sent] = await watching;
		const common = {
			kind: "delivery",
			at: expect.any(Number),
			ms: expect.any(Number),
			site: "shop.example",
			destination: "crisp",
			person: "a***@example.com",
			events: [{ id: first.id, type: "track", name: "basket:item:added" }],
			count: 1,
		};
		const events = "POST /website/…/people/events/…";
		expect(missing).toEqual({ ...common, request: events, outcome: "unknownPerson", status: 404 });
		expect(created).toEqual({
			...common,
			request: "POST /website/…/people/profile",
			outcome: "delivered",
			status: 201,
		});
		expect(sent).toEqual({ ...common, request: events, outcome: "delivered", status: 200 });
	});

	it("starts with the latest requests for every new client", async () => {
		known();
		await running.batch(event({ person: ada, name: "1" }), event({ person: ada, name: "2" }));
		await running.settled(2);
		for (let viewer = 0; viewer < 3; viewer += 1) {
			expect((await next(2)).map(({ events }) => events[0]?.name)).toEqual(["1", "2"]);
		}
	});

	it("reports updates that share a request as one, and a refusal with the provider's reason", async () => {
		known();
		running.sandbox.fault("crisp", refuse);
		await running.batch(event({ person: ada }));
		expect(await next(1)).toMatchObject([{ outcome: "rejected", status: 400, reason: "invalid_data" }]);
	});

	it("needs the token, and only answers GET", async () => {
		const response = await fetch(`${running.url}/admin/live`);
		expect([response.status, (await problemOf(response)).code]).toEqual([401, "invalid_admin_token"]);
		expect((await running.admin("/live", { method: "POST" })).status).toBe(405);
	});

	it("ends when the proxy stops, so that its server can close", async () => {
		const response = await running.admin("/live");
		await running.proxy.stop();
		expect(await response.text()).toContain("heartbeat");
		expect((await problemOf(await running.admin("/live"))).code).toBe("store_unavailable");
	});
});

describe("POST /admin/search", () => {
	it("finds a delivered event by its id, with each attempt", async () => {
		known();
		running.sandbox.fault("crisp", { status: 503, times: 1 });
		const sentEvent = event({ person: ada, data: { product: "mug" } });
		await running.batch(sentEvent);
		const journey = await found({ event: sentEvent.id.toUpperCase() }, "delivered");
		expect(journey).toMatchObject({
			event: { id: sentEvent.id, type: "track", name: "basket:item:added", data: { product: "mug" } },
			site: "shop.example",
			person: "ada@example.com",
			trusted: false,
			receivedAt: expect.any(Number),
			discarded: [],
		});
		expect(journey.deliveries).toMatchObject([
			{
				destination: "crisp",
				state: "delivered",
				at: expect.any(Number),
				attempts: [
					{ outcome: "retry", status: 503, request: "POST /website/…/people/events/…" },
					{ outcome: "delivered", status: 200 },
				],
			},
		]);
	});

	it("finds a person's events by an address in any spelling: the latest first, with the number waiting before each", async () => {
		running.sandbox.fault("crisp", { status: 401, body: { error: true, reason: "invalid_session" } });
		for (const name of ["1", "2", "3"]) await running.batch(event({ person: ada, name }));
		await running.batch(event());
		await found({ person: "ada@example.com" }, "waiting");
		await vi.waitFor(async () => {
			const { journeys } = await search({ person: " ADA@example.com" });
			expect(journeys.map(({ event: { name }, deliveries }) => [name, deliveries[0]?.ahead])).toEqual([
				["3", 2],
				["2", 1],
				["1", 0],
			]);
			expect(journeys[2]?.deliveries[0]?.attempts).toMatchObject([{ outcome: "paused", status: 401 }]);
		});
	});

	it("reports when a failed event will be retried", async () => {
		known();
		running.sandbox.fault("crisp", { status: 503 });
		const sentEvent = event({ person: ada });
		await running.batch(sentEvent);
		await vi.waitFor(async () => {
			const [journey] = (await search({ event: sentEvent.id })).journeys;
			expect(journey?.deliveries[0]).toMatchObject({ state: "waiting", ahead: 0, dueAt: expect.any(Number) });
		});
	});

	it("finds a dead letter, and the state of its event after a replay", async () => {
		known();
		running.sandbox.fault("crisp", refuse);
		const sentEvent = event({ person: { userId: 'u "1"', email: "ada@example.com" } });
		await running.batch(sentEvent);
		const { deliveries } = await found({ event: sentEvent.id }, "dead");
		expect(deliveries).toMatchObject([
			{
				state: "dead",
				reason: "invalid_data",
				deadLetter: { id: expect.any(String), status: 400, message: "no", attempts: 1 },
				attempts: [{ outcome: "rejected", status: 400 }],
			},
		]);
		await running.admin("/deadletters/replay", {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: '{"all":true}',
		});
		const after = await found({ event: sentEvent.id }, "delivered");
		expect(after.deliveries[0]?.attempts).toHaveLength(2);
	});

	it("reports a discarded copy with the reason", async () => {
		known();
		const sentEvent = event({ person: ada });
		await running.batch(sentEvent);
		await running.batch(sentEvent);
		await running.settled(2);
		const journey = await found({ event: sentEvent.id }, "delivered");
		expect(journey.discarded).toEqual([{ at: expect.any(Number), reason: "duplicate" }]);
		expect(journey.deliveries).toHaveLength(1);
	});

	it("reports a purchase that was discarded as a repeat of another", async () => {
		known();
		const buy = () => event({ type: "confirmation", name: undefined, person: ada, data: { orderId: "A-1" } });
		const [first, second] = [buy(), buy()];
		await running.batch(first);
		await running.batch(second);
		await running.settled(2);
		await vi.waitFor(async () => {
			const [journey] = (await search({ event: second.id })).journeys;
			expect(journey).toMatchObject({ discarded: [{ reason: "duplicate_order" }], deliveries: [] });
		});
	});

	it("reports a destination that cannot address the person, and an event that is forwarded to none", async () => {
		const nameless = event({ person: { userId: "u-1" } });
		const page = event({ type: "page", name: undefined, person: ada });
		await running.batch(nameless, page);
		await running.settled(2);
		const [journey] = (await search({ person: "u-1" })).journeys;
		expect(journey?.deliveries).toEqual([
			{ destination: "crisp", state: "skipped", reason: "not_addressable", attempts: [] },
		]);
		expect((await search({ event: page.id })).journeys).toMatchObject([{ event: { type: "page" }, deliveries: [] }]);
	});

	it("reports a person whom a destination may not create", async () => {
		await running.stop();
		running = await runProxy({ site: ({ crisp }) => ({ crisp: { ...crisp, createPeople: "never" } }) });
		const sentEvent = event({ person: ada });
		await running.batch(sentEvent);
		const { deliveries } = await found({ event: sentEvent.id }, "skipped");
		expect(deliveries).toMatchObject([
			{ reason: "unknown_person", attempts: [{ outcome: "unknownPerson", status: 404 }] },
		]);
	});

	it("finds nothing of another or an unknown person, or of an id that only occurs in another event's data", async () => {
		known();
		const sentEvent = event({ person: ada });
		await running.batch(sentEvent, event({ data: { about: sentEvent.id, email: "ada@example.com" } }));
		await running.settled(2);
		expect((await search({ person: "ada@example.com" })).journeys).toHaveLength(1);
		expect((await search({ event: sentEvent.id })).journeys).toHaveLength(1);
		expect(await search({ person: "eve@example.com" })).toMatchObject({ journeys: [], isComplete: true });
	});

	it("still finds stored events after a restart", async () => {
		known();
		running.sandbox.fault("crisp", refuse);
		const [sentEvent, two] = [event({ person: ada }), event({ person: ada })];
		await running.batch(sentEvent);
		await found({ event: sentEvent.id }, "dead");
		running.sandbox.fault("crisp", { status: 401, body: { error: true, reason: "invalid_session" } });
		await running.batch(two);
		await found({ event: two.id }, "waiting");
		await running.proxy.stop();
		await running.proxy.start();
		expect((await search({ person: "ada@example.com" })).journeys).toHaveLength(2);
	});

	it("finds nothing of a forgotten person", async () => {
		known();
		await running.batch(event({ person: ada }));
		await running.settled(1);
		expect((await search({ person: "ada@example.com" })).journeys).toHaveLength(1);
		const response = await fetch(`${running.url}/v1/people`, {
			method: "DELETE",
			headers: { authorization: `Bearer ${serverKey}`, "content-type": "application/json" },
			body: JSON.stringify({ email: "ada@example.com" }),
		});
		expect(response.status).toBe(200);
		expect((await search({ person: "ada@example.com" })).journeys).toEqual([]);
	});

	it("accepts only an event's id or a person, as JSON, by POST, with the token", async () => {
		for (const body of [{}, { event: "x" }, { person: "" }, { person: "a", event: "b" }, [], { person: { $gt: "" } }]) {
			const response = await running.admin("/search", {
				method: "POST",
				headers: { "content-type": "application/json" },
				body: JSON.stringify(body),
			});
			const { code, detail } = await problemOf(response);
			expect([response.status, code]).toEqual([400, "malformed_body"]);
			expect(detail).not.toMatch(/Invalid|expected/);
		}
		expect((await running.admin("/search", { method: "POST" })).status).toBe(400);
		expect((await running.admin("/search")).status).toBe(405);
		expect((await fetch(`${running.url}/admin/search`, { method: "POST" })).status).toBe(401);
	});
});

describe("dead letters", () => {
	const at = Date.now();
	const bob = { email: "bob@example.com" };
	const names = async (query: string) => {
		const { items } = await answerOf(deadLetterPageSchema, await running.admin(`/deadletters?${query}`));
		return items.map(({ event: each }) => ("name" in each ? each.name : each.type));
	};
	const change = async (method: string, path: string, selection: object) => {
		const headers = { "content-type": "application/json" };
		const response = await running.admin(`/deadletters${path}`, { method, headers, body: JSON.stringify(selection) });
		return [response.status, await response.json()];
	};
	beforeEach(async () => {
		running.sandbox.fault("crisp", { ...refuse, times: 100 });
		const all = [
			event({ name: "sale", person: ada }),
			event({ name: "view", person: { ...ada, userId: "bob@example.com" } }),
			event({ name: "sale", person: bob }),
			event({ type: "login", name: undefined, person: bob, data: { name: "sale" } }),
		];
		await running.batch(...all);
		await running.settled(all.length);
	});

	it.each([
		["person=ada@EXAMPLE.com", ["sale", "view"]],
		["person=bob%40example.com", ["login", "sale"]],
		["person=bob", []],
		["name=sale", ["sale", "sale"]],
		["name=login", ["login"]],
		["person=bob@example.com&name=sale&reason=invalid_data&destination=crisp", ["sale"]],
		["name=sale&reason=other", []],
		[`since=${at - 60_000}`, ["login", "sale", "sale", "view"]],
		[`since=${at + 3_600_000}`, []],
	])("are listed by %s", async (query, expected) => {
		expect((await names(query)).toSorted()).toEqual(expected);
	});

	it.each(["person=", "since=", "since=yesterday", "since=-1", "person=%E2%80%8B"])("are not by %s", async (query) => {
		const response = await running.admin(`/deadletters?${query}`);
		expect([response.status, (await problemOf(response)).code]).toEqual([400, "malformed_body"]);
	});

	it("come in the opposite order, page by page, if the newest are asked for first", async () => {
		const page = async (query: string) => answerOf(deadLetterPageSchema, await running.admin(`/deadletters?${query}`));
		const ids = (await page("")).items.map(({ id }) => id);
		const first = await page("order=newest&limit=3");
		const second = await page(`order=newest&limit=3&cursor=${first.cursor}`);
		expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(ids.toReversed());
		expect(second.cursor).toBeUndefined();
		expect((await running.admin("/deadletters?order=latest")).status).toBe(400);
	});

	it("are counted by destination and reason", async () => {
		running.sandbox.clear();
		running.sandbox.fault("crisp", { status: 422, body: { error: true, reason: "other" }, times: 1 });
		await running.batch(event({ name: "sale", at: at - 3_600_000, person: { email: "eve@example.com" } }));
		await running.settled(5);
		const groups = async (query = "") =>
			answerOf(deadLetterGroupsSchema, await running.admin(`/deadletters/groups?${query}`));
		const all = await groups();
		expect(all).toMatchObject({
			count: 5,
			isComplete: true,
			groups: [
				{ destination: "crisp", reason: "invalid_data", count: 4 },
				{ destination: "crisp", reason: "other", count: 1, oldest: at - 3_600_000, newest: at - 3_600_000 },
			],
		});
		expect(await groups("name=sale&reason=invalid_data")).toMatchObject({ count: 2, groups: [{ count: 2 }] });
		expect(await groups("destination=nobody")).toEqual({ groups: [], count: 0, isComplete: true });
	});

	it("are discarded and replayed by the same", async () => {
		expect(await change("DELETE", "", { person: "bob@example.com", name: "sale" })).toEqual([200, { discarded: 1 }]);
		expect(await change("DELETE", "", { person: "bob@example.com", since: at + 3_600_000 })).toEqual([
			200,
			{ discarded: 0 },
		]);
		expect(await change("DELETE", "", { person: "" })).toMatchObject([400, { code: "malformed_body" }]);
		for (const time of [1.5, 1e300])
			for (const bound of ["since", "before"])
				expect(await change("DELETE", "", { [bound]: time })).toMatchObject([400, { code: "malformed_body" }]);
		expect((await names("")).toSorted()).toEqual(["login", "sale", "view"]);
		running.sandbox.clear();
		expect(await change("POST", "/replay", { person: "ada@example.com" })).toEqual([200, { replayed: 2 }]);
		expect(await names("")).toEqual(["login"]);
	});

	it("are found behind hundreds of others in one page", async () => {
		const many = Array.from({ length: 700 }, (_, index) => event({ name: `event ${index}` }));
		running.sandbox.fault("crisp", { ...refuse, times: 800 });
		for (let first = 0; first < many.length; first += 100) await running.batch(...many.slice(first, first + 100));
		await running.settled(4 + many.length);
		expect(await names("name=event%20699&limit=1")).toEqual(["event 699"]);
	});
});

describe("the operators' routes", () => {
	it("answer exactly as their schemas say: stats, dead letters and the budget's last day", async () => {
		running.sandbox.fault("crisp", refuse);
		await running.batch(event({ person: ada }));
		await running.settled(1);
		const stats = await answerOf(statsSchema, await running.admin("/stats"));
		expect(stats.destinations.crisp).toMatchObject({
			title: "Crisp",
			dead: 1,
			budget: [{ label: "shop.example", limit: 10_000, used: 10, left: 9_990 }],
		});
		const { items } = await answerOf(deadLetterPageSchema, await running.admin("/deadletters"));
		expect(items).toMatchObject([{ event: { person: { email: "ada@example.com" } } }]);
		const history = await answerOf(budgetHistorySchema, await running.admin("/budget"));
		expect(history.to - history.from).toBe(86_400_000);
		expect(history.budgets).toMatchObject([
			{ site: "shop.example", destination: "crisp", limit: 10_000, perMs: 86_400_000, used: [{ used: 10 }] },
		]);
		expect((await running.admin("/budget", { method: "PUT" })).status).toBe(405);
	});
});

describe("what waits", () => {
	const limited = async (budget: number) => {
		await running.stop();
		running = await runProxy({ site: ({ crisp }) => ({ crisp: { ...crisp, budget } }) });
		known();
	};
	const statsNow = async () => answerOf(statsSchema, await running.admin("/stats"));

	it("for a budget comes with the time of the next request, and of the last one at this rate", async () => {
		await limited(2);
		const events = Array.from({ length: 4 }, () => event({ person: ada }));
		await running.batch(...events);
		await running.sandbox.until((requests) => requests.length === 2);
		const { wait } = await vi.waitFor(async () => {
			const { now, destinations } = await statsNow();
			expect(destinations.crisp).toMatchObject({ waiting: 2, wait: { for: "budget" } });
			return { now, wait: destinations.crisp?.wait };
		});
		const { nextAt = 0, doneAt = 0 } = wait ?? {};
		const tomorrow = new Date().setUTCHours(24, 0, 0, 0);
		expect([nextAt >= tomorrow - 1_000, doneAt > nextAt, doneAt <= tomorrow + 86_400_000]).toEqual([true, true, true]);
		const told = await runHere(["stats", "--url", running.url], { EVENTFERRY_ADMIN_TOKEN: adminToken });
		expect(told.stdout).toMatch(
			/^crisp: 2 events wait for the budget\. The next request goes at [\d-]+ [\d:]+ UTC; at this rate all are sent by [\d-]+ [\d:]+ UTC$/m,
		);
		const journey = await found({ event: events[3]?.id }, "waiting");
		expect(journey.deliveries[0]?.wait).toEqual(wait);
	});

	it("for an operator has no times, and what does not wait has no reason", async () => {
		expect((await statsNow()).destinations.crisp?.wait).toBeUndefined();
		known();
		await running.admin("/destinations/crisp/pause", { method: "POST" });
		const sent = event({ person: ada });
		await running.batch(sent);
		expect((await found({ event: sent.id }, "waiting")).deliveries[0]?.wait).toEqual({ for: "operator" });
		expect((await statsNow()).destinations.crisp?.wait).toEqual({ for: "operator" });
	});

	it("for another attempt says when that is", async () => {
		known();
		running.sandbox.fault("crisp", { status: 503 });
		await running.batch(event({ person: ada }));
		await vi.waitFor(
			async () => {
				const { now, destinations } = await statsNow();
				const { wait } = destinations.crisp ?? {};
				expect([wait?.for, (wait?.nextAt ?? 0) > now]).toEqual(["retry", true]);
			},
			{ timeout: 60_000, interval: 20 },
		);
	});
});

describe("POST /admin/exchanges", () => {
	const exchanges = async (event: unknown, more: object = {}) =>
		answerOf(
			exchangeReplySchema,
			await running.admin("/exchanges", {
				method: "POST",
				headers: { "content-type": "application/json" },
				body: JSON.stringify({ event, ...more }),
			}),
		);
	const sent = async (more: object = {}) => {
		known();
		const each = event({ person: ada, data: { note: "for Ada", total: 12 }, ...more });
		await running.batch(each);
		await running.settled(1);
		return each.id;
	};

	it("tells what was sent and answered: masked, unless it is asked to show all", async () => {
		const id = await sent();
		const hidden = await exchanges(id);
		expect(hidden).toMatchObject({
			isMasked: true,
			exchanges: [
				{
					destination: "crisp",
					site: "shop.example",
					request: "POST /website/…/people/events/…",
					sent: { text: "basket:item:added", data: { note: "f***", total: 12 } },
					answer: { error: false, reason: "dispatched" },
					outcome: "delivered",
					status: 200,
				},
			],
		});
		expect(JSON.stringify(hidden)).not.toMatch(/ada|Ada/);
		const shown = await exchanges(id.toUpperCase(), { show: true });
		expect(shown).toMatchObject({ isMasked: false, exchanges: [{ sent: { data: { note: "for Ada" } } }] });
		expect(shown.exchanges[0]?.request).toMatch(/^POST \/website\/[\w-]+\/people\/events\/ada%40example\.com$/);
	});

	it("shows no credential, though the provider repeats them all, and the event holds one", async () => {
		const { key, identifier } = running.sandbox.destinations.crisp;
		const secrets = [key, btoa(`${identifier}:${key}`), serverKey, adminToken];
		running.sandbox.fault("crisp", {
			status: 400,
			body: { error: true, reason: "no", data: { message: secrets.join(" ") } },
		});
		const id = await sent({ data: { note: secrets.join(" "), list: secrets } });
		const text = JSON.stringify(await exchanges(id, { show: true }));
		expect(text).toContain("***");
		for (const secret of secrets) expect(text).not.toContain(secret);
	});

	it("no longer has those of a forgotten person, and never those of others", async () => {
		const id = await sent();
		expect((await exchanges(id)).exchanges).toHaveLength(1);
		await fetch(`${running.url}/v1/people`, {
			method: "DELETE",
			headers: { "content-type": "application/json", authorization: `Bearer ${serverKey}` },
			body: JSON.stringify(ada),
		});
		expect((await exchanges(id, { show: true })).exchanges).toEqual([]);
	});

	it("is for operators alone", async () => {
		const response = await fetch(`${running.url}/admin/exchanges`, { method: "POST" });
		expect([response.status, (await problemOf(response)).code]).toEqual([401, "invalid_admin_token"]);
	});
});
