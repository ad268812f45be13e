// Tests of the documents that this project was created from: their requests are sent, and their answers understood.

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Known, Outcome, Provider } from "../../server/providers/provider.ts";
import { createProvider } from "../../server/providers/registry.ts";
import { type ProviderName, type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import type { StoredEvent } from "../../server/stored-event.ts";
import { eventSchema } from "../../shared/event.ts";
import { learn } from "../unit/providers/lane.ts";

const never = new AbortController().signal;
const options = { createFirst: false, createPeople: "always", occurredAt: "late" } as const;

interface Received {
	method: string | undefined;
	url: string | undefined;
	headers: Record<string, string | string[] | undefined>;
	body: unknown;
}

/** A server that records the real headers and gives the printed answer. */
let server: Server;
let stubUrl: string;
let received: Received[];
let printed: { status: number; body: string };
let sandbox: Sandbox;

beforeAll(async () => {
	sandbox = await startSandbox();
	server = createServer((request, response) => {
		const chunks: Buffer[] = [];
		request.on("data", (chunk: Buffer) => chunks.push(chunk));
		request.on("end", () => {
			const { method, url, headers } = request;
			received.push({ method, url, headers, body: JSON.parse(Buffer.concat(chunks).toString()) });
			response.writeHead(printed.status, { "content-type": "application/json" }).end(printed.body);
		});
	}).listen(0, "127.0.0.1");
	await once(server, "listening");
	stubUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
	server.close();
	server.closeAllConnections();
	await sandbox.stop();
});
beforeEach(() => {
	received = [];
	sandbox.clear();
});

function stored(fields: object): StoredEvent {
	const event = eventSchema.parse({ id: "0198f1c2-7d0e-7cc3-98c4-dc0c0c07398f", at: Date.now(), ...fields });
	return { event, trusted: true, receivedAt: Date.now() };
}

/** Sends an event of an existing person, which takes one request. */
async function send(provider: Provider, event: StoredEvent, known: Known = {}): Promise<Outcome> {
	const plan = provider.plan([event], known, Date.now());
	if (plan.kind !== "send") throw new Error(`Planned ${JSON.stringify(plan)}`);
	expect(plan.settles).toBe(1);
	return provider.send(plan.request, never);
}

/** Requests that the sandbox received, without their headers. */
const inSandbox = (destination: ProviderName) =>
	sandbox.requests(destination).map(({ method, path, body, status }) => ({ method, path, body, status }));

describe("000, Crisp: how can I push a user event from my backend?", () => {
	const websiteId = "04ed9a29-ccda-4f46-b2f3-b151d2d90fa7";
	// Credentials printed in document 001, the Node wrapper.
	const identifier = "7c3ef21c-1e04-41ce-8c06-5605c346f73e";
	const key = "cc29e1a5086e428fcc6a697d5837a66d82808e65c5cce006fbf2191ceea80a0a";
	const body = { text: "basket:item:added", color: "blue", data: { product: "iPhone X" } };
	const event = stored({
		type: "track",
		name: "basket:item:added",
		color: "blue",
		data: { product: "iPhone X" },
		person: { email: "john.doe@crisp.chat" },
	});

	test("the event goes to the printed route, signed with identifier and key", async () => {
		printed = { status: 200, body: '{"error":false,"reason":"added","data":{}}' };
		const crisp = { ...options, websiteId, identifier, key, tier: "plugin" } as const;
		const outcome = await send(createProvider("crisp", { ...crisp, baseUrl: `${stubUrl}/v1` }), event);
		expect(outcome).toMatchObject({ kind: "delivered" });
		expect(received).toEqual([
			{
				method: "POST",
				url: "/v1/website/04ed9a29-ccda-4f46-b2f3-b151d2d90fa7/people/events/john.doe%40crisp.chat",
				headers: expect.objectContaining({
					authorization: `Basic ${Buffer.from(`${identifier}:${key}`).toString("base64")}`,
					"x-crisp-tier": "plugin",
					"content-type": "application/json",
				}),
				body,
			},
		]);
		expect(decodeURIComponent(received[0]?.url ?? "")).toBe(
			"/v1/website/04ed9a29-ccda-4f46-b2f3-b151d2d90fa7/people/events/john.doe@crisp.chat",
		);
	});

	test("the event is stored on the profile of that e-mail", async () => {
		const { crisp } = sandbox.destinations;
		sandbox.addPerson("crisp", { email: "john.doe@crisp.chat" });
		expect(await send(createProvider("crisp", { ...options, ...crisp }), event)).toMatchObject({ kind: "delivered" });
		const path = `/website/${crisp.websiteId}/people/events/john.doe%40crisp.chat`;
		expect(inSandbox("crisp")).toEqual([{ method: "POST", path, body, status: 200 }]);
		expect(sandbox.people("crisp")).toMatchObject([
			{ events: [{ name: "basket:item:added", color: "blue", data: { product: "iPhone X" } }] },
		]);
	});

	test("the people_id can replace the e-mail", async () => {
		const { crisp } = sandbox.destinations;
		const id = sandbox.addPerson("crisp", { email: "john.doe@crisp.chat" });
		const known = stored({ ...event.event, person: { userId: "u-1", ids: { crisp: id } } });
		expect(await send(createProvider("crisp", { ...options, ...crisp }), known)).toMatchObject({ kind: "delivered" });
		expect(inSandbox("crisp")).toMatchObject([{ path: `/website/${crisp.websiteId}/people/events/${id}`, body }]);
	});
});

describe("002, HelpCrunch: add customer event", () => {
	const event = stored({
		type: "track",
		name: "Button Click",
		data: { button: "Start Free Trial", clicks: true },
		person: { userId: "u-1", ids: { helpcrunch: 542335 } },
	});
	const body = { name: "Button Click", data: { button: "Start Free Trial", clicks: true }, customer: 542335 };
	const stub = () => createProvider("helpcrunch", { ...options, apiKey: "key", baseUrl: `${stubUrl}/v1` });
	const errors = (...further: object[]) =>
		JSON.stringify({ errors: [{ code: "invalid_request", message: "Invalid request" }, ...further] });

	test("the event goes to the printed URL, with the key as bearer token", async () => {
		printed = {
			status: 200,
			body: JSON.stringify({
				id: 542335,
				name: "Button Click",
				data: { button: "Start Free Trial", clicks: 2 },
				createdAt: "1603885746",
			}),
		};
		expect(await send(stub(), event)).toMatchObject({ kind: "delivered" });
		expect(received).toEqual([
			{
				method: "POST",
				url: "/v1/events",
				headers: expect.objectContaining({ authorization: "Bearer key", "content-type": "application/json" }),
				body,
			},
		]);
	});

	test("the event is stored among the customer's user actions", async () => {
		const helpcrunch = createProvider("helpcrunch", { ...options, ...sandbox.destinations.helpcrunch });
		const customer = sandbox.addPerson("helpcrunch", { userId: "u-1" });
		const known = stored({ ...event.event, person: { userId: "u-1", ids: { helpcrunch: customer } } });
		expect(await send(helpcrunch, known)).toMatchObject({ kind: "delivered" });
		expect(inSandbox("helpcrunch")).toEqual([
			{ method: "POST", path: "/events", body: { ...body, customer }, status: 200 },
		]);
		expect(sandbox.people("helpcrunch")).toMatchObject([{ events: [{ name: "Button Click", data: body.data }] }]);
	});

	test.each<[number, string, object]>([
		[
			400,
			errors(
				{ code: "customer", message: "This value should be of type numeric." },
				{ code: "filter[0].field", message: "This value should not be blank." },
			),
			{
				kind: "rejected",
				status: 400,
				message: "Invalid request This value should be of type numeric. This value should not be blank.",
			},
		],
		[401, errors({ code: "unauthorized", message: "Unauthorized" }), { kind: "paused", reason: "unauthorized" }],
		[404, errors({ code: "not_found", message: "Chat not found" }), { kind: "unknownPerson" }],
		[
			429,
			errors({ code: "too_many_requests", message: "Too many requests" }),
			{ kind: "wait", reason: "too_many_requests" },
		],
	])("the printed %d is understood", async (status, text, outcome) => {
		printed = { status, body: text };
		const remembered = stored({ ...event.event, person: { userId: "u-1" } });
		const found = await learn(stub(), remembered, [[200, { data: [{ id: 542335, userId: "u-1" }] }]]);
		expect(await send(stub(), remembered, found)).toMatchObject(outcome);
	});
});

describe("003, Vibetrace: how to send events via API", () => {
	// The page obfuscates its example address, so this one is made up.
	const person = { email: "alexandru@example.com" };
	const update = stored({ type: "update", data: { firstname: "alexandru" }, person });
	const generic = stored({ type: "track", name: "my_event", data: { firstname: "alexandru" }, person });
	const vibetrace = { ...options, standardEvents: ["viewitem"] };
	const stub = () => createProvider("vibetrace", { ...vibetrace, apiKey: "key", baseUrl: `${stubUrl}/v1` });

	const rows: [string, StoredEvent, object][] = [
		["update", update, { user: person, event: { update: { firstname: "alexandru" } } }],
		[
			"generic",
			generic,
			{ user: person, event: { generic: { generic: { event_name: "my_event", firstname: "alexandru" } } } },
		],
	];

	test.each(rows)("the %s event goes to /event, with the bare key", async (_, event, body) => {
		printed = {
			status: 200,
			body: JSON.stringify({
				results: { message: "Event created", email: "Event was created for the specified user" },
			}),
		};
		expect(await send(stub(), event)).toMatchObject({ kind: "delivered" });
		expect(received).toEqual([
			{
				method: "POST",
				url: "/v1/event",
				headers: expect.objectContaining({ authorization: "key", "content-type": "application/json" }),
				body,
			},
		]);
	});

	test.each(rows)("the %s event is saved on the user's profile", async (type, event, body) => {
		sandbox.addPerson("vibetrace", person);
		const provider = createProvider("vibetrace", { ...vibetrace, ...sandbox.destinations.vibetrace });
		expect(await send(provider, event)).toMatchObject({ kind: "delivered" });
		expect(inSandbox("vibetrace")).toEqual([{ method: "POST", path: "/event", body, status: 200 }]);
		expect(sandbox.people("vibetrace")).toMatchObject([
			type === "update"
				? { attributes: { firstname: "alexandru" } }
				: { events: [{ type: "generic", name: "my_event", data: { firstname: "alexandru" } }] },
		]);
	});

	test("a user who does not exist is an error, after which they are created and sent the event once more", async () => {
		const provider = createProvider("vibetrace", { ...vibetrace, ...sandbox.destinations.vibetrace });
		const outcome = await send(provider, generic);
		if (outcome.kind !== "unknownPerson") throw new Error(JSON.stringify(outcome));
		const creation = provider.plan([generic], outcome.known, Date.now());
		if (creation.kind !== "send") throw new Error(JSON.stringify(creation));
		const created = await provider.send(creation.request, never);
		if (created.kind !== "delivered") throw new Error(JSON.stringify(created));
		expect(await send(provider, generic, created.known)).toMatchObject({ kind: "delivered" });
		expect(inSandbox("vibetrace").map(({ method, path, status }) => `${method} ${path} ${status}`)).toEqual([
			"POST /event 400",
			"PUT /user/alexandru%40example.com 200",
			"POST /event 200",
		]);
	});

	test.each([
		[
			"as meant",
			'{"errors":[{"message":"Missing event information","description":"Please send event information along with user"}]}',
		],
		[
			"as printed",
			`  "errors": [
      "message": "Missing event information",
      "description": "Please send event information along with user",
`,
		],
	])("the printed 400 is understood, %s: the event is refused, and nobody is created", async (_, body) => {
		printed = { status: 400, body };
		expect(await send(stub(), generic)).toMatchObject({ kind: "rejected", status: 400 });
	});
});
