import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Known, Provider } from "../../server/providers/provider.ts";
import { createProvider } from "../../server/providers/registry.ts";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import type { StoredEvent } from "../../server/stored-event.ts";
import { checkAnswer, deliver, type Fields, type Row, step, storedEvent } from "../support/one-event.ts";
import { learn, type Reply } from "../unit/providers/lane.ts";

const ada = { email: "ada@example.com", userId: "u-1" };
const stored = (fields: Fields = {}) => storedEvent({ person: ada, ...fields });
const options = { createPeople: "always", occurredAt: "late" } as const;

const helpcrunch = createProvider("helpcrunch", {
	apiKey: "key",
	...options,
	baseUrl: "https://helpcrunch.invalid/v1",
});
const nobody: Reply = [200, { data: [] }];
/** Knowledge once Ada was found as customer 7, was not found by userId, and was not found at all. */
const found = await learn(helpcrunch, stored(), [[200, { data: [{ id: 7, ...ada }] }]], { now: Date.now() });
const notByUserId = await learn(helpcrunch, stored(), [nobody], { now: Date.now() });
const missing = await learn(helpcrunch, stored(), [nobody, nobody], { now: Date.now() });

describe("an answer", () => {
	let server: Server;
	let provider: Provider;
	let received: string[];
	let answer: (path: string) => [status: number, body: unknown];
	beforeAll(async () => {
		server = createServer((request, response) => {
			received.push(`${request.method} ${request.url}`);
			const [status, body] = answer(`${request.method} ${request.url}`);
			response.writeHead(status, { "content-type": "application/json" });
			response.end(typeof body === "string" ? body : JSON.stringify(body));
		}).listen(0, "127.0.0.1");
		await once(server, "listening");
		const { port } = server.address() as AddressInfo;
		provider = createProvider("helpcrunch", { apiKey: "key", ...options, baseUrl: `http://127.0.0.1:${port}/v1` });
	});
	afterAll(() => {
		server.close();
		server.closeAllConnections();
	});
	beforeEach(() => {
		received = [];
	});

	const event = stored();
	const update = stored({ type: "update", data: { plan: "pro" } });
	const customer = (id: number) => ({ request: { body: { customer: id } } });
	const search = (field: string) => ({ request: { body: { filter: [{ field: `customers.${field}` }] } } });
	const errorBody = (code: string, message: string) => ({
		errors: [
			{ code: "invalid_request", message: "Invalid request" },
			{ code, message },
		],
	});

	const everywhere: Row[] = [
		[
			"an error with a success status",
			200,
			errorBody("x", "y"),
			{ kind: "retry", reason: "unreadable", unreadable: true },
		],
		[
			"a wrong field",
			400,
			errorBody("customer", "This value should be of type numeric."),
			{
				kind: "rejected",
				status: 400,
				reason: "customer",
				message: "Invalid request This value should be of type numeric.",
			},
		],
		["a wrong key", 401, errorBody("unauthorized", "Unauthorized"), { kind: "paused", reason: "unauthorized" }],
		[
			"a wrong key, as older pages document it",
			401,
			{ errors: [{ code: "invalid_token", message: "Invalid token" }] },
			{ kind: "paused", reason: "invalid_token" },
		],
		["a key without permission", 403, "", { kind: "paused", status: 403 }],
		[
			"a rate limit",
			429,
			errorBody("too_many_requests", "Too many requests"),
			{ kind: "wait", reason: "too_many_requests" },
		],
		[
			"a rate limit, as older pages document it",
			429,
			{ errors: [{ code: "too_many_requests", message: "You have exceeded…" }] },
			{ kind: "wait", reason: "too_many_requests" },
		],
		["a fault of the server", 500, "", { kind: "retry", status: 500 }],
		["a fault of the load balancer", 502, "<html>", { kind: "retry", status: 502 }],
	];
	const ofCustomers: Row[] = [
		...everywhere,
		["the documented success", 200, { id: 7, name: "x" }, { kind: "delivered" }, customer(7)],
		["a success with another id", 200, { id: 168990409 }, { kind: "delivered" }, customer(7)],
		["a success without a body", 204, "", { kind: "delivered" }, customer(7)],
		["an unknown person", 404, errorBody("not_found", "Chat not found"), { kind: "unknownPerson" }, search("userId")],
		[
			"an unknown person, as older pages document it",
			404,
			{ errors: [{ code: "entity_not_found", message: "Customer not found" }] },
			{ kind: "unknownPerson" },
		],
	];
	const lost = { kind: "retry", reason: "unreadable", unreadable: true };
	// After a refused or unreadable creation the customer may exist, so they are searched again.
	const looksAgain = new Set(["an error with a success status", "a wrong field"]);
	const ofCreation: Row[] = [
		...everywhere.map((row): Row => {
			const [what, status, body] = row;
			return looksAgain.has(what) ? [what, status, body, { kind: "unknownPerson" }, search("userId")] : row;
		}),
		["a new customer", 201, { id: 8, email: ada.email }, { kind: "delivered" }, customer(8)],
		["a new customer, wrapped", 201, { data: { id: 8 } }, { kind: "delivered" }, customer(8)],
	];
	const ofSearches: Row[] = [
		...everywhere,
		["no customer", 200, { data: [], total: 0 }, { kind: "unknownPerson" }, search("email")],
		["one customer", 200, { data: [{ id: 8, userId: "u-1" }], total: 1 }, { kind: "delivered" }, customer(8)],
		["an object instead of a list", 200, { data: { id: 8 } }, lost],
		["an empty object", 200, {}, lost],
		["no body", 204, "", lost],
		[
			"a list without a valid customer",
			200,
			{ data: [null, 8, "x", {}, { id: "x" }, { id: 1.5 }] },
			{ kind: "unknownPerson" },
			search("email"),
		],
		[
			"a wrong filter",
			400,
			errorBody("filter[0].field", "This value should not be blank."),
			{ kind: "rejected", reason: "filter[0].field" },
		],
	];

	async function understand(events: [StoredEvent], known: Known, status: number, body: unknown) {
		answer = () => [status, body];
		return (await step(provider, events, known)).outcome;
	}
	function check(events: [StoredEvent], known: Known, row: Row) {
		answer = () => [row[1], row[2]];
		return checkAnswer(provider, events, known, row, event);
	}
	test.each(ofCustomers)("to an event: %s (%d)", async (...row) => check([event], found, row));
	test.each(ofCustomers)("to an update: %s (%d)", async (...row) => check([update], found, row));
	test.each(ofCreation)("to a creation: %s (%d)", async (...row) => check([event], missing, row));
	test.each(ofSearches)("to a search: %s (%d)", async (...row) => check([event], {}, row));

	const email = ada.email;
	test.each<[string, object[], number]>([
		[
			"the one with the same userId",
			[
				{ id: 1, lastSeen: 9 },
				{ id: 2, userId: "u-1", lastSeen: 1 },
			],
			2,
		],
		[
			"otherwise the one seen last",
			[
				{ id: 1, lastSeen: 5 },
				{ id: 2, lastSeen: 9 },
				{ id: 3, lastSeen: 7 },
			],
			2,
		],
		[
			"the one seen last, compared as a number",
			[
				{ id: 1, lastSeen: "9" },
				{ id: 2, lastSeen: "10" },
			],
			2,
		],
		[
			"the one seen last, to the fraction of a second",
			[
				{ id: 1, lastSeen: "1607542030.713" },
				{ id: 2, lastSeen: "1607542030.714" },
			],
			2,
		],
		[
			"the one seen last, as a text or a number",
			[
				{ id: 1, lastSeen: "1607542030" },
				{ id: 2, lastSeen: 1607542031 },
			],
			2,
		],
		[
			"one that was seen rather than one that was not",
			[{ id: 1, lastSeen: null }, { id: 2, lastSeen: "1" }, { id: 3 }],
			2,
		],
		[
			"otherwise the one with the lowest id",
			[
				{ id: 3, lastSeen: 5 },
				{ id: 2, lastSeen: 5 },
				{ id: 10, lastSeen: 5 },
			],
			2,
		],
		["the one with the lowest id of those never seen", [{ id: 3 }, { id: 2, lastSeen: "x" }, { id: 10 }], 2],
	])("with several customers of one e-mail selects %s", async (_, customers, id) => {
		const data = customers.map((one) => ({ email, ...one }));
		await check([event], notByUserId, ["", 200, { data, total: data.length }, { kind: "delivered" }, customer(id)]);
	});

	test.each<[string, Known, object]>([
		["userId", {}, { id: 8, userId: "u-2", email: "eve@example.com" }],
		["e-mail", notByUserId, { id: 8, userId: "u-2", email: "eve@example.com" }],
	])("to a search by %s with another customer is not taken for the person", async (_, known, other) => {
		const outcome = await understand([event], known, 200, { data: [other], total: 1 });
		if (outcome?.kind !== "unknownPerson") throw new Error(JSON.stringify(outcome));
		expect(provider.plan([event], outcome.known, Date.now())).not.toMatchObject({ request: { path: ["events"] } });
	});

	test("to a search may write the e-mail in another case", async () => {
		const data = [{ id: 8, email: "Ada@Example.com" }];
		await check([event], notByUserId, ["", 200, { data, total: 1 }, { kind: "delivered" }, customer(8)]);
	});

	test("that a person who was just found is unknown ends the event, and the knowledge is deleted", async () => {
		answer = (path) =>
			path.endsWith("/search") ? [200, { data: [{ id: 7, ...ada }] }] : [404, errorBody("not_found", "")];
		expect(await deliver(provider, event, found)).toEqual({ end: "rejected", known: {} });
		expect(received).toEqual(["POST /v1/events", "POST /v1/customers/search", "POST /v1/events"]);
	});

	test.each([
		["is empty", ""],
		["is a web page", "<html>"],
		["has no id", {}],
		["has an invalid id", { id: "x" }],
	])("to a creation that %s leads to another search, not to another customer", async (_, body) => {
		const people: object[] = [];
		answer = (path) => {
			if (path.endsWith("/search")) return [200, { data: people }];
			if (!path.endsWith("/customers")) return [200, {}];
			people.push({ id: 8 + people.length, ...ada });
			return [201, body];
		};
		let known: Known = missing;
		for (let n = 0; n < 6; n += 1) {
			const { outcome } = await step(provider, [event], known);
			if (outcome && "known" in outcome && outcome.known) known = outcome.known;
		}
		expect(people).toHaveLength(1);
	});
});

describe("against HelpCrunch as documented", () => {
	let sandbox: Sandbox;
	let provider: Provider;
	beforeAll(async () => {
		sandbox = await startSandbox({ limits: { helpcrunchPerMinute: 10_000 } });
		provider = createProvider("helpcrunch", { ...sandbox.destinations.helpcrunch, ...options });
	});
	afterAll(() => sandbox.stop());
	beforeEach(() => sandbox.clear());

	const requests = () =>
		sandbox.requests("helpcrunch").map(({ method, path, status }) => `${method} ${path} ${status}`);

	test("the first event of an existing person costs one search more than the next", async () => {
		sandbox.addPerson("helpcrunch", ada);
		const { end, known } = await deliver(provider, stored());
		expect(end).toBe("delivered");
		expect(requests()).toEqual(["POST /customers/search 200", "POST /events 200"]);
		await deliver(provider, stored(), known);
		expect(requests()).toHaveLength(3);
		expect(sandbox.people("helpcrunch")).toMatchObject([{ ...ada, events: [{ name: "x" }, { name: "x" }] }]);
	});

	test("a missing person is created with e-mail and userId", async () => {
		expect((await deliver(provider, stored())).end).toBe("delivered");
		expect(requests().slice(-2)).toEqual(["POST /customers 201", "POST /events 200"]);
		expect(sandbox.people("helpcrunch")).toMatchObject([{ ...ada, events: [{ name: "x" }] }]);
	});

	test("a login with all attributes arrives in the fields and in the custom data", async () => {
		const data = { name: "Ada", phone: "1", company: "AE", locale: "en", plan: "pro", seats: 3, vip: true };
		expect((await deliver(provider, stored({ type: "login", data }))).end).toBe("delivered");
		expect(sandbox.people("helpcrunch")).toMatchObject([
			{
				...ada,
				profile: { name: "Ada", phone: "1", company: "AE", locale: "en" },
				attributes: { plan: "pro", seats: 3, vip: true },
			},
		]);
	});

	test("userIds are unique and e-mails are not: the userId decides", async () => {
		sandbox.addPerson("helpcrunch", { email: ada.email, userId: "u-0" });
		sandbox.addPerson("helpcrunch", { email: "old@example.com", userId: ada.userId });
		expect((await deliver(provider, stored())).end).toBe("delivered");
		expect(sandbox.people("helpcrunch").filter(({ events }) => events.length > 0)).toMatchObject([
			{ userId: ada.userId },
		]);
	});

	test("a person deleted at HelpCrunch is looked up again, and created", async () => {
		const { known } = await deliver(provider, stored());
		sandbox.removePerson("helpcrunch", ada.email);
		expect((await deliver(provider, stored(), known)).end).toBe("delivered");
		expect(sandbox.people("helpcrunch")).toMatchObject([{ ...ada, events: [{ name: "x" }] }]);
	});

	test("a person merged into another customer is found there", async () => {
		const { known } = await deliver(provider, stored());
		sandbox.removePerson("helpcrunch", ada.email);
		const id = sandbox.addPerson("helpcrunch", ada);
		expect((await deliver(provider, stored(), known)).end).toBe("delivered");
		expect(sandbox.requests("helpcrunch").at(-1)).toMatchObject({ path: "/events", body: { customer: id } });
	});

	test("a person deleted after a login that created them is created again for the next event", async () => {
		const { known } = await deliver(provider, stored({ type: "login", data: { name: "Ada" } }));
		sandbox.removePerson("helpcrunch", ada.email);
		expect((await deliver(provider, stored(), known)).end).toBe("delivered");
	});

	test("a person with a deleted given id is found by userId", async () => {
		sandbox.addPerson("helpcrunch", ada);
		const event = stored({ person: { ...ada, ids: { helpcrunch: 1 } } });
		expect((await deliver(provider, event)).end).toBe("delivered");
		expect(sandbox.people("helpcrunch")).toMatchObject([{ ...ada, events: [{ name: "x" }] }]);
	});

	// The answer to the creation was lost, or the person's other lane, that of their userId, was faster.
	test("a person created since the search is found, and loses no event", async () => {
		sandbox.addPerson("helpcrunch", ada);
		const { end } = await deliver(provider, stored(), missing);
		expect(end).toBe("delivered");
		expect(sandbox.people("helpcrunch")).toMatchObject([{ ...ada, events: [{ name: "x" }] }]);
	});

	test.each(["a/b", "../events", "..", "%2e%2e", "#", "?", "🛒", '"', "*"])(
		"the userId %s gets its own event, and no one else does",
		async (userId) => {
			sandbox.addPerson("helpcrunch", ada);
			expect((await deliver(provider, stored({ person: { userId } }))).end).toBe("delivered");
			const reached = sandbox.people("helpcrunch").filter(({ events }) => events.length > 0);
			expect(reached).toMatchObject([{ userId, events: [{ name: "x" }] }]);
		},
	);
});
