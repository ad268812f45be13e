import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Known, Provider } from "../../server/providers/provider.ts";
import { createProvider } from "../../server/providers/registry.ts";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import type { StoredEvent } from "../../server/stored-event.ts";
import { checkAnswer, deliver, type Fields, type Row, storedEvent } from "../support/one-event.ts";
import { learn } from "../unit/providers/lane.ts";

const ada = { email: "ada@example.com" };
const stored = (fields: Fields = {}) => storedEvent({ person: ada, ...fields });
const options = { createPeople: "always", occurredAt: "late", standardEvents: ["viewitem"] } as const;
const create = (config: { apiKey: string; baseUrl: string }) =>
	createProvider("vibetrace", { ...config, ...options, standardEvents: [...options.standardEvents] });

/** Knowledge after the answer that the person does not exist. */
const missing = await learn(create({ apiKey: "key", baseUrl: "https://vibetrace.invalid/v1" }), stored(), [[404]], {
	now: Date.now(),
});

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
		provider = create({ apiKey: "key", baseUrl: `http://127.0.0.1:${port}/v1` });
	});
	afterAll(() => {
		server.close();
		server.closeAllConnections();
	});

	const event = stored();
	const update = stored({ type: "update", data: { plan: "pro" } });
	const errorBody = (message: string, description: string) => ({ errors: [{ message, description }] });
	const incomplete = errorBody("Missing event information", "Please send event information along with user");
	const invalid = errorBody("Error validating user attributes", "firstname must be text");
	const nobody = errorBody("User not found", "This email does not exist in our database.");

	const everywhere: Row[] = [
		["an error with a success status", 200, incomplete, { kind: "retry", reason: "unreadable", unreadable: true }],
		[
			"a body without event",
			400,
			incomplete,
			{
				kind: "rejected",
				status: 400,
				reason: "Missing event information",
				message: "Missing event information Please send event information along with user",
			},
		],
		[
			"a wrong format",
			400,
			errorBody("Invalid data format/type", "total"),
			{ kind: "rejected", reason: "Invalid data format/type" },
		],
		["an error without a message", 400, { errors: [{}] }, { kind: "rejected", reason: "http_400" }],
		["a wrong key", 401, errorBody("Unauthorized", "x"), { kind: "paused", status: 401 }],
		["an API that is not enabled", 403, "Forbidden", { kind: "paused", status: 403 }],
		["a rate limit", 429, "", { kind: "wait", status: 429 }],
		["a fault of the server", 500, "", { kind: "retry", status: 500 }],
	];
	const ofEvents: Row[] = [
		...everywhere,
		[
			"the documented success",
			200,
			{ results: { message: "Event created", email: "Event was created for the specified user" } },
			{ kind: "delivered" },
			{ request: { method: "POST" } },
		],
		["an unknown person", 404, nobody, { kind: "unknownPerson" }, { request: { method: "PUT" } }],
		["an unknown person, without a message", 404, "", { kind: "unknownPerson" }],
		["an unknown person, as a bad request", 400, nobody, { kind: "unknownPerson" }],
		[
			"an unknown person, in the description alone",
			400,
			errorBody("Invalid request", "Unknown e-mail"),
			{ kind: "unknownPerson" },
		],
	];
	const ofCreation: Row[] = [
		...everywhere,
		[
			"the documented success",
			200,
			{ results: [{ message: "User created", email: "x" }], object: { _id: "v-1" } },
			{ kind: "delivered" },
			{ request: { method: "POST" } },
		],
		["attributes that it refuses", 400, invalid, { kind: "rejected", reason: "Error validating user attributes" }],
		[
			"an unknown person, although it was to create them",
			404,
			nobody,
			{ kind: "rejected", status: 404, reason: "User not found" },
		],
	];

	function check(events: [StoredEvent], known: Known, row: Row) {
		answer = () => [row[1], row[2]];
		return checkAnswer(provider, events, known, row, event);
	}
	test.each(ofEvents)("to an event: %s (%d)", async (...row) => check([event], {}, row));
	test.each(ofEvents)("to an update: %s (%d)", async (...row) => check([update], {}, row));
	test.each(ofCreation)("to a creation: %s (%d)", async (...row) => check([event], missing, row));

	test("that the person is unknown ends the event the second time, and the knowledge is deleted", async () => {
		answer = (path) => (path.startsWith("PUT") ? [200, { results: [] }] : [404, nobody]);
		expect(await deliver(provider, event)).toEqual({ end: "rejected", known: {} });
	});
});

describe("against Vibetrace as documented", () => {
	let sandbox: Sandbox;
	let provider: Provider;
	beforeAll(async () => {
		sandbox = await startSandbox();
		provider = create(sandbox.destinations.vibetrace);
	});
	afterAll(() => sandbox.stop());
	beforeEach(() => sandbox.clear());

	const requests = () =>
		sandbox
			.requests("vibetrace")
			.map(({ method, path, query, status }) => `${method} ${path}${query ? `?${query}` : ""} ${status}`);
	const creation = "PUT /user/ada%40example.com?upsert=true 200";

	test("an event of an existing person is one request", async () => {
		sandbox.addPerson("vibetrace", ada);
		expect((await deliver(provider, stored())).end).toBe("delivered");
		expect(requests()).toEqual(["POST /event 200"]);
	});

	test("an event of a missing person is three requests", async () => {
		const { end, known } = await deliver(provider, stored());
		expect(end).toBe("delivered");
		expect(requests()).toEqual(["POST /event 400", creation, "POST /event 200"]);
		await deliver(provider, stored(), known);
		expect(requests()).toHaveLength(4);
	});

	test("a login of a missing person is two requests, and changes no consent", async () => {
		const data = { plan: "pro", isSubscribed: true, email: "eve@example.com" };
		expect((await deliver(provider, stored({ type: "login", data }))).end).toBe("delivered");
		expect(requests()).toEqual(["POST /event 400", creation]);
		expect(sandbox.people("vibetrace")).toMatchObject([{ ...ada, attributes: { plan: "pro" } }]);
		expect(sandbox.people("vibetrace")[0]?.attributes).not.toHaveProperty("isSubscribed");
	});

	test("a person deleted after a login that created them is created again for the next event", async () => {
		const { known } = await deliver(provider, stored({ type: "login", data: { plan: "pro" } }));
		sandbox.removePerson("vibetrace", ada.email);
		expect((await deliver(provider, stored(), known)).end).toBe("delivered");
	});

	test("a person with an e-mail and a deleted _id gets the event under the e-mail", async () => {
		sandbox.addPerson("vibetrace", ada);
		const event = stored({ person: { ...ada, ids: { vibetrace: "gone" } } });
		expect((await deliver(provider, event)).end).toBe("delivered");
		expect(sandbox.people("vibetrace")).toMatchObject([{ ...ada, events: [{ name: "x" }] }]);
	});

	test("a confirmation and a standard event have their own keys, and every other event is generic", async () => {
		sandbox.addPerson("vibetrace", ada);
		const order = { orderId: "A-1", total: 9.5, items: [{ id: "i", quantity: 2 }] };
		for (const event of [
			stored({ type: "confirmation", data: order }),
			stored({ name: "viewitem", data: { itemId: "i" } }),
			stored({ name: "mine", data: { a: 1 } }),
			stored({ type: "email_open" }),
		]) {
			expect((await deliver(provider, event)).end).toBe("delivered");
		}
		expect(sandbox.people("vibetrace")[0]?.events).toMatchObject([
			{ type: "confirmation", data: order },
			{ type: "viewitem", data: { itemId: "i" } },
			{ type: "generic", name: "mine", data: { a: 1 } },
			{ type: "generic", name: "email_open" },
		]);
	});

	test.each(["a/b@x.y", "../event@x.y", "%2e%2e@x.y", "a#b@x.y", "a?upsert=false@x.y"])(
		"an unknown person with the e-mail %s, which may not stay one path segment, is created nowhere",
		async (email) => {
			for (const other of ["a@x.y", "event@x.y", ada.email]) sandbox.addPerson("vibetrace", { email: other });
			expect((await deliver(provider, stored({ person: { email } }))).end).toBe("refuse");
			expect(sandbox.people("vibetrace").filter(({ events }) => events.length > 0)).toEqual([]);
		},
	);

	test.each(["a&upsert=false@x.y", "ada+1@x.y", "🛒@x.y", '"a"@x.y'])(
		"the e-mail %s gets its own event, and no one else does",
		async (email) => {
			for (const other of ["a@x.y", "event@x.y", "ada@x.y", ada.email])
				sandbox.addPerson("vibetrace", { email: other });
			expect((await deliver(provider, stored({ person: { email } }))).end).toBe("delivered");
			const reached = sandbox.people("vibetrace").filter(({ events }) => events.length > 0);
			expect(reached).toMatchObject([{ email, events: [{ name: "x" }] }]);
		},
	);
});
