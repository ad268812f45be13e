import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type * as z from "zod";
import {
	budgetHistorySchema,
	deadLetterPageSchema,
	type LiveDelivery,
	liveLineSchema,
	type SearchReply,
	searchReplySchema,
	statsSchema,
} from "../../shared/admin.ts";
import { event, problemOf, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

let running: RunningProxy;
beforeEach(async () => {
	running = await runProxy();
});
afterEach(() => running.stop());

/** What was answered, once it is seen to be just what the schema says, and nothing more. */
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
	/** The lines as they come. */
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
	/** The next requests that are told of. */
	async function next(count: number): Promise<LiveDelivery[]> {
		const told: LiveDelivery[] = [];
		for await (const line of lines()) {
			if (line.kind === "delivery") told.push(line);
			if (told.length === count) break;
		}
		return told;
	}

	it("tells each request: when, where, whose, for what, how it went and how long it took", async () => {
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

	it("starts with what went before, as often as somebody comes to watch", async () => {
		known();
		await running.batch(event({ person: ada, name: "1" }), event({ person: ada, name: "2" }));
		await running.settled(2);
		for (let viewer = 0; viewer < 3; viewer += 1) {
			expect((await next(2)).map(({ events }) => events[0]?.name)).toEqual(["1", "2"]);
		}
	});

	it("tells of updates that share a request as one, and of a refusal with the provider's reason", async () => {
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
	it("by an event's id: delivered, with each attempt", async () => {
		known();
		running.sandbox.fault("crisp", { status: 503, times: 1 });
		const one = event({ person: ada, data: { product: "mug" } });
		await running.batch(one);
		const journey = await found({ event: one.id.toUpperCase() }, "delivered");
		expect(journey).toMatchObject({
			event: { id: one.id, type: "track", name: "basket:item:added", data: { product: "mug" } },
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

	it("by a person, however the address is written: the latest first, and how many wait before each", async () => {
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

	it("tells when what failed will be tried again", async () => {
		known();
		running.sandbox.fault("crisp", { status: 503 });
		const one = event({ person: ada });
		await running.batch(one);
		await vi.waitFor(async () => {
			const [journey] = (await search({ event: one.id })).journeys;
			expect(journey?.deliveries[0]).toMatchObject({ state: "waiting", ahead: 0, dueAt: expect.any(Number) });
		});
	});

	it("finds a dead letter, and after its replay where the event is then", async () => {
		known();
		running.sandbox.fault("crisp", refuse);
		const one = event({ person: { userId: 'u "1"', email: "ada@example.com" } });
		await running.batch(one);
		const { deliveries } = await found({ event: one.id }, "dead");
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
			body: "{}",
		});
		const after = await found({ event: one.id }, "delivered");
		expect(after.deliveries[0]?.attempts).toHaveLength(2);
	});

	it("tells of a copy that was discarded, and why", async () => {
		known();
		const one = event({ person: ada });
		await running.batch(one);
		await running.batch(one);
		await running.settled(2);
		const journey = await found({ event: one.id }, "delivered");
		expect(journey.discarded).toEqual([{ at: expect.any(Number), reason: "duplicate" }]);
		expect(journey.deliveries).toHaveLength(1);
	});

	it("tells of a purchase that was discarded as a repeat of another", async () => {
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

	it("tells which destination cannot be told of a person, and of what is forwarded to none", async () => {
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

	it("tells of whom a destination may not create", async () => {
		await running.stop();
		running = await runProxy({ site: ({ crisp }) => ({ crisp: { ...crisp, createPeople: "never" } }) });
		const one = event({ person: ada });
		await running.batch(one);
		const { deliveries } = await found({ event: one.id }, "skipped");
		expect(deliveries).toMatchObject([
			{ reason: "unknown_person", attempts: [{ outcome: "unknownPerson", status: 404 }] },
		]);
	});

	it("finds nothing of somebody else, of one who is not there, or of an id that only stands in another's data", async () => {
		known();
		const one = event({ person: ada });
		await running.batch(one, event({ data: { about: one.id, email: "ada@example.com" } }));
		await running.settled(2);
		expect((await search({ person: "ada@example.com" })).journeys).toHaveLength(1);
		expect((await search({ event: one.id })).journeys).toHaveLength(1);
		expect(await search({ person: "eve@example.com" })).toMatchObject({ journeys: [], isComplete: true });
	});

	it("still finds what the store has after a restart", async () => {
		known();
		running.sandbox.fault("crisp", refuse);
		const [one, two] = [event({ person: ada }), event({ person: ada })];
		await running.batch(one);
		await found({ event: one.id }, "dead");
		running.sandbox.fault("crisp", { status: 401, body: { error: true, reason: "invalid_session" } });
		await running.batch(two);
		await found({ event: two.id }, "waiting");
		await running.proxy.stop();
		await running.proxy.start();
		expect((await search({ person: "ada@example.com" })).journeys).toHaveLength(2);
	});

	it("finds nothing of who was forgotten", async () => {
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

	it("takes an event's id or a person, as JSON, by POST, with the token, and nothing else", async () => {
		for (const body of [{}, { event: "x" }, { person: "" }, { person: "a", event: "b" }, [], { person: { $gt: "" } }]) {
			const response = await running.admin("/search", {
				method: "POST",
				headers: { "content-type": "application/json" },
				body: JSON.stringify(body),
			});
			expect([response.status, (await problemOf(response)).code]).toEqual([400, "malformed_body"]);
		}
		expect((await running.admin("/search", { method: "POST" })).status).toBe(415);
		expect((await running.admin("/search")).status).toBe(405);
		expect((await fetch(`${running.url}/admin/search`, { method: "POST" })).status).toBe(401);
	});
});

describe("what operators are told", () => {
	it("is what the schemas say: stats, dead letters and the budget's last day", async () => {
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
