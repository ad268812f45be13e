import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Known, Outcome, Provider } from "../../server/providers/provider.ts";
import { createProvider } from "../../server/providers/registry.ts";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import type { StoredEvent } from "../../server/stored-event.ts";
import { checkAnswer, deliver, type Fields, type Row, step, storedEvent } from "../support/one-event.ts";
import { learn } from "../unit/providers/lane.ts";

const ada = { email: "ada@example.com" };
const stored = (fields: Fields = {}) => storedEvent({ person: ada, ...fields });
const options = { createFirst: false, createPeople: "always", occurredAt: "late" } as const;

/** Knowledge after the answer that the person does not exist. */
const missing = await learn(
	createProvider("crisp", {
		...{ websiteId: "site-1", identifier: "id", key: "key", tier: "website" },
		...options,
		baseUrl: "https://crisp.invalid/v1",
	}),
	stored(),
	[[404, { error: true, reason: "not_found" }]],
	{ now: Date.now() },
);

describe("an answer", () => {
	let server: Server;
	let provider: Provider;
	let answer: (path: string) => [status: number, body: unknown];
	beforeAll(async () => {
		server = createServer((request, response) => {
			const [status, body] = answer(`${request.method} ${request.url}`);
			response.writeHead(status, { "content-type": "application/json" });
			response.end(typeof body === "string" ? body : JSON.stringify(body));
		}).listen(0, "127.0.0.1");
		await once(server, "listening");
		const { port } = server.address() as AddressInfo;
		const credentials = { websiteId: "site-1", identifier: "id", key: "key", tier: "website" } as const;
		provider = createProvider("crisp", { ...credentials, ...options, baseUrl: `http://127.0.0.1:${port}/v1` });
	});
	afterAll(() => {
		server.close();
		server.closeAllConnections();
	});

	const event = stored();
	const update = stored({ type: "update", data: { plan: "pro" } });
	const errorBody = (reason: string, message?: string) => ({ error: true, reason, data: message ? { message } : {} });

	const everywhere: Row[] = [
		["a success", 200, { error: false, reason: "updated", data: {} }, { kind: "delivered" }],
		["a success without a body", 204, "", { kind: "delivered" }],
		[
			"an error with a success status",
			200,
			errorBody("invalid_data"),
			{ kind: "retry", reason: "unreadable", unreadable: true },
		],
		["invalid data", 400, errorBody("invalid_data"), { kind: "rejected", status: 400, reason: "invalid_data" }],
		[
			"invalid data, explained",
			400,
			errorBody("invalid_data", "text is too long"),
			{ kind: "rejected", reason: "invalid_data", message: "text is too long" },
		],
		["a wrong key", 401, errorBody("invalid_session"), { kind: "paused", reason: "invalid_session" }],
		["a key of another tier", 401, errorBody("unauthorized"), { kind: "paused", reason: "unauthorized" }],
		["a missing scope", 403, errorBody("not_allowed"), { kind: "paused", reason: "not_allowed" }],
		[
			"a tier that the route does not admit",
			405,
			errorBody("restricted_route_tier"),
			{ kind: "paused", reason: "restricted_route_tier" },
		],
		[
			"a tier that the route does not admit",
			400,
			errorBody("restricted_route_tier"),
			{ kind: "paused", reason: "restricted_route_tier" },
		],
		["a plugin that is not installed", 404, errorBody("not_subscribed"), { kind: "paused", reason: "not_subscribed" }],
		["a log-in that needs confirmation", 403, errorBody("confirm_required"), { kind: "paused" }],
		["a rate limit", 420, errorBody("rate_limited"), { kind: "wait", reason: "rate_limited" }],
		["a rate limit of the load balancer", 420, "<html>", { kind: "wait" }],
		["a rate limit", 429, errorBody("too_many_requests"), { kind: "wait" }],
		["a rate limit named only by its reason", 422, errorBody("quota_limit_exceeded"), { kind: "wait" }],
		["an unprocessable request", 422, errorBody("invalid_data"), { kind: "rejected", status: 422 }],
		["a fault of the server", 500, errorBody("internal_error"), { kind: "retry", status: 500 }],
		["a fault of the load balancer", 502, "<html>", { kind: "retry", status: 502 }],
	];
	const profile = ["website", "site-1", "people", "profile"];
	const events = ["website", "site-1", "people", "events", ada.email];
	const ofPeople: Row[] = [
		...everywhere,
		["an unknown person", 404, errorBody("not_found"), { kind: "unknownPerson" }, { request: { path: profile } }],
	];
	const ofCreation: Row[] = [
		...everywhere,
		[
			"a new profile",
			201,
			{ error: false, reason: "added", data: { people_id: "p-1" } },
			{ kind: "delivered" },
			{ request: { path: events } },
		],
		["an existing profile", 409, errorBody("people_exists"), { kind: "delivered" }, { request: { path: events } }],
	];

	async function understand(events: [StoredEvent], known: Known, status: number, body: unknown) {
		answer = () => [status, body];
		return (await step(provider, events, known)).outcome;
	}
	function check(events: [StoredEvent], known: Known, row: Row) {
		answer = () => [row[1], row[2]];
		return checkAnswer(provider, events, known, row, event);
	}
	test.each(ofPeople)("to an event: %s (%d)", async (...row) => check([event], {}, row));
	test.each(ofPeople)("to an update: %s (%d)", async (...row) => check([update], {}, row));
	test.each(ofCreation)("to a creation: %s (%d)", async (...row) => check([event], missing, row));

	test("that the person is unknown ends the event the second time, and the knowledge is deleted", async () => {
		answer = (path) => (path.endsWith("/profile") ? [201, { error: false }] : [404, errorBody("not_found")]);
		expect(await deliver(provider, event)).toEqual({ end: "rejected", known: {} });
	});

	test("that the person is unknown ends a login at its second request, even if the first one succeeded", async () => {
		const login = stored({ type: "login", data: { phone: "1", plan: "pro" } });
		answer = (path) => {
			if (path.endsWith("/people/profile")) return [409, errorBody("people_exists")];
			return path.includes("/people/data/") ? [404, errorBody("not_found")] : [200, { error: false }];
		};
		expect((await deliver(provider, login)).end).toBe("rejected");
	});

	test("is shortened before it is stored", async () => {
		const outcome: Outcome | undefined = await understand(
			[event],
			{},
			400,
			errorBody("x".repeat(5_000), "y".repeat(5_000)),
		);
		expect(JSON.stringify(outcome).length).toBeLessThan(1_000);
	});
});

describe("against Crisp as documented", () => {
	let sandbox: Sandbox;
	let provider: Provider;
	beforeAll(async () => {
		sandbox = await startSandbox();
		provider = createProvider("crisp", { ...sandbox.destinations.crisp, ...options });
	});
	afterAll(() => sandbox.stop());
	beforeEach(() => sandbox.clear());

	const requests = () =>
		sandbox.requests("crisp").map(({ method, path, status }) => {
			const [, route, person] = path.split("/people/")[1]?.match(/^(\w+)\/?(.*)$/) ?? [];
			return [method, route, person, status].join(" ").replace("  ", " ");
		});
	const address = "ada%40example.com";

	test("an event of an existing person is one request", async () => {
		sandbox.addPerson("crisp", ada);
		expect((await deliver(provider, stored())).end).toBe("delivered");
		expect(requests()).toEqual([`POST events ${address} 200`]);
	});

	test("an event of a missing person is three requests", async () => {
		const { end, known } = await deliver(provider, stored());
		expect(end).toBe("delivered");
		expect(requests()).toEqual([`POST events ${address} 404`, "POST profile 201", `POST events ${address} 200`]);
		await deliver(provider, stored(), known);
		expect(requests()).toHaveLength(4);
		expect(sandbox.people("crisp")).toMatchObject([
			{ ...ada, profile: { person: { nickname: "ada" } }, events: [{ name: "x" }, { name: "x" }] },
		]);
	});

	test("a login with all attributes arrives on the card and in the data", async () => {
		const data = {
			name: "Ada",
			phone: "1",
			company: "AE",
			gender: "female",
			website: "x",
			plan: "pro",
			seats: 3,
			vip: true,
		};
		expect((await deliver(provider, stored({ type: "login", data }))).end).toBe("delivered");
		expect(sandbox.people("crisp")).toMatchObject([
			{
				...ada,
				profile: {
					person: { nickname: "Ada", phone: "1", gender: "female", website: "x" },
					company: { name: "AE" },
				},
				attributes: { plan: "pro", seats: 3, vip: true },
			},
		]);
	});

	test("a person deleted at Crisp is created again, with all attributes of the next login", async () => {
		const login = stored({ type: "login", data: { name: "Ada", plan: "pro" } });
		const { known } = await deliver(provider, login);
		const { known: after } = await deliver(provider, stored(), known);
		sandbox.removePerson("crisp", ada.email);
		const { end, known: later } = await deliver(provider, stored(), after);
		expect(end).toBe("delivered");
		expect((await deliver(provider, login, later)).end).toBe("delivered");
		expect(sandbox.people("crisp")).toMatchObject([
			{ profile: { person: { nickname: "Ada" } }, attributes: { plan: "pro" } },
		]);
	});

	test("a person deleted right after a login that created them is created again for the next event", async () => {
		const { known } = await deliver(provider, stored({ type: "login", data: { name: "Ada" } }), missing);
		sandbox.removePerson("crisp", ada.email);
		expect((await deliver(provider, stored(), known)).end).toBe("delivered");
	});

	test("a person with an e-mail and a deleted people_id gets the event under the e-mail", async () => {
		sandbox.addPerson("crisp", ada);
		const event = stored({ person: { ...ada, ids: { crisp: "gone" } } });
		expect((await deliver(provider, event)).end).toBe("delivered");
		expect(sandbox.people("crisp")).toMatchObject([{ ...ada, events: [{ name: "x" }] }]);
	});

	test("a person who turns out to exist already still gets the name from the login", async () => {
		sandbox.addPerson("crisp", ada);
		const login = stored({ type: "login", data: { name: "Ada" } });
		await deliver(provider, login, missing);
		expect(sandbox.people("crisp")).toMatchObject([{ profile: { person: { nickname: "Ada" } } }]);
	});

	test("a person created twice at the same time is one profile", async () => {
		const ends = await Promise.all([deliver(provider, stored(), missing), deliver(provider, stored(), missing)]);
		expect(ends.map(({ end }) => end)).toEqual(["delivered", "delivered"]);
		expect(sandbox.people("crisp")).toMatchObject([{ events: [{ name: "x" }, { name: "x" }] }]);
	});

	test.each(["a/b@x.y", "../../profile@x.y", "%2e%2e@x.y", "a%40b@x.y", "a#b@x.y", "a?b@x.y"])(
		"the e-mail %s is refused without a request, because a gateway may decode it once more",
		async (email) => {
			expect(await deliver(provider, stored({ person: { email } }))).toMatchObject({ end: "refuse" });
			expect(sandbox.requests("crisp")).toEqual([]);
		},
	);

	test.each(["ada+1@x.y", "🛒@x.y", '"a"@x.y', "a&b=c@x.y"])(
		"the e-mail %s gets its own event, and no one else does",
		async (email) => {
			for (const other of ["a@x.y", "b@x.y", "ada@x.y", ada.email]) sandbox.addPerson("crisp", { email: other });
			expect((await deliver(provider, stored({ person: { email } }))).end).toBe("delivered");
			const reached = sandbox.people("crisp").filter(({ events }) => events.length > 0);
			expect(reached).toMatchObject([{ email, events: [{ name: "x" }] }]);
		},
	);

	test.each(["..", ".", "../profile", "%2e%2e", "a/b", "a?b", "#"])(
		"the people_id %s reaches no other route",
		async (crisp) => {
			sandbox.addPerson("crisp", ada);
			await deliver(provider, stored({ person: { userId: "u-1", ids: { crisp } } }));
			expect(sandbox.people("crisp")).toMatchObject([{ ...ada, profile: {}, attributes: {}, events: [] }]);
			for (const request of sandbox.requests("crisp"))
				expect(request.path).toMatch(/^\/website\/[^/]+\/people\/events\/[^/]+$/);
		},
	);
});
