import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type ProviderName, type Sandbox, startSandbox } from "../../server/sandbox/index.ts";

let sandbox: Sandbox;
beforeAll(async () => {
	sandbox = await startSandbox();
});
afterAll(() => sandbox.stop());
beforeEach(() => sandbox.clear());

interface Row {
	/** Behaviour that the row shows. */
	it: string;
	method?: string;
	/** Path below the base URL. `{site}` stands for Crisp's website id, `{id}` for Ada's id. */
	path: string;
	body?: unknown;
	/** Replaces headers; `undefined` leaves one out. */
	headers?: Record<string, string | undefined>;
	status: number;
	/** Expected part of the answer. */
	answer?: unknown;
}

function credentials(destination: ProviderName): Record<string, string> {
	const { crisp, helpcrunch, vibetrace } = sandbox.destinations;
	switch (destination) {
		case "crisp":
			return {
				authorization: `Basic ${Buffer.from(`${crisp.identifier}:${crisp.key}`).toString("base64")}`,
				"x-crisp-tier": crisp.tier,
			};
		case "helpcrunch":
			return { authorization: `Bearer ${helpcrunch.apiKey}` };
		case "vibetrace":
			return { authorization: vibetrace.apiKey };
	}
}

/** Makes the row's request about Ada, who exists. */
async function ask(
	destination: ProviderName,
	{ method = "POST", path, body, headers = {} }: Omit<Row, "it" | "status">,
) {
	const known = sandbox.people(destination).find((person) => person.email === "ada@example.com");
	const id = known?.id ?? sandbox.addPerson(destination, { email: "ada@example.com", userId: "u-1" });
	const { baseUrl } = sandbox.destinations[destination];
	const all = { ...credentials(destination), "content-type": "application/json", ...headers };
	const sent = JSON.stringify(body)?.replaceAll('"{id}"', JSON.stringify(id));
	const response = await fetch(
		baseUrl + path.replace("{site}", sandbox.destinations.crisp.websiteId).replace("{id}", String(id)),
		{
			method,
			headers: Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined),
			redirect: "manual",
			...(body !== undefined && { body: typeof body === "string" ? body : sent }),
		},
	);
	const text = await response.text();
	return { status: response.status, answer: text && JSON.parse(text), text };
}

function table(destination: ProviderName, rows: Row[]) {
	test.each(rows)("$status $it", async ({ status, answer, ...request }) => {
		const response = await ask(destination, request);
		expect(response.status, response.text).toBe(status);
		if (answer !== undefined) expect(response.answer).toMatchObject(answer as object);
		expect(sandbox.requests(destination).at(-1)).toMatchObject({ status, method: request.method ?? "POST" });
	});
}

describe("Crisp", () => {
	const people = "/website/{site}/people";
	const events = `${people}/events/ada%40example.com`;
	const profile = `${people}/profile/ada%40example.com`;
	const data = `${people}/data/ada%40example.com`;
	// Example from source document 000.
	const example = { text: "basket:item:added", color: "blue", data: { product: "iPhone X" } };
	const invalid = { status: 400, answer: { error: true, reason: "invalid_data" } };
	const notFound = { status: 404, answer: { error: true, reason: "not_found", data: {} } };
	const notSubscribed = { status: 404, answer: { error: true, reason: "not_subscribed" } };
	const done = { status: 200, answer: { error: false } };

	table("crisp", [
		{ it: "takes the documented event", path: events, body: example, ...done },
		{ it: "takes the e-mail unencoded", path: `${people}/events/ada@example.com`, body: example, ...done },
		{ it: "takes the e-mail in any case", path: `${people}/events/ADA%40Example.com`, body: example, ...done },
		{ it: "takes the people_id", path: `${people}/events/{id}`, body: example, ...done },
		{ it: "takes an event of text alone", path: events, body: { text: "x" }, ...done },
		{ it: "needs the text", path: events, body: { color: "blue" }, ...invalid },
		{ it: "needs some text", path: events, body: { text: "" }, ...invalid },
		{ it: "needs text that is text", path: events, body: { text: 1 }, ...invalid },
		{ it: "refuses an eleventh colour", path: events, body: { text: "x", color: "white" }, ...invalid },
		{ it: "refuses a null colour", path: events, body: { text: "x", color: null }, ...invalid },
		{ it: "refuses an array as data", path: events, body: { text: "x", data: [] }, ...invalid },
		{ it: "refuses null as data", path: events, body: { text: "x", data: null }, ...invalid },
		{ it: "refuses an array of events", path: events, body: [{ text: "x" }], ...invalid },
		{ it: "accepts no time of the event", path: events, body: { text: "x", timestamp: 1 }, ...invalid },
		{ it: "refuses broken JSON", path: events, body: "{", ...invalid },
		{ it: "needs a body", path: events, ...invalid },
		{ it: "needs JSON", path: events, body: example, headers: { "content-type": "text/plain" }, ...invalid },
		{ it: "does not find an unknown person", path: `${people}/events/eve%40example.com`, body: example, ...notFound },
		{ it: "decodes the person once", path: `${people}/events/ada%2540example.com`, body: example, ...notFound },
		{
			it: "has no route with a further segment",
			path: `${people}/events/ada/x@example.com`,
			body: example,
			status: 404,
			answer: { reason: "route_not_found" },
		},
		{ it: "has no route with a slash at the end", path: `${events}/`, body: example, status: 404 },
		{ it: "refuses a path that cannot be decoded", path: `${people}/events/%E0%A4%A`, body: example, ...invalid },
		{ it: "refuses another method", method: "DELETE", path: events, status: 405, answer: { error: true } },
		{
			it: "refuses a wrong key",
			path: events,
			body: example,
			headers: { authorization: "Basic eDp5" },
			status: 401,
			answer: { error: true, reason: "invalid_session" },
		},
		{ it: "needs a key", path: events, body: example, headers: { authorization: undefined }, status: 401 },
		{ it: "needs a tier", path: events, body: example, headers: { "x-crisp-tier": undefined }, ...notSubscribed },
		{
			it: "needs the tier of the token",
			path: events,
			body: example,
			headers: { "x-crisp-tier": "plugin" },
			...notSubscribed,
		},
		{ it: "knows only one website", path: events.replace("{site}", "x"), body: example, ...notSubscribed },

		{
			it: "creates a profile",
			path: `${people}/profile`,
			body: { email: "eve@example.com", person: { nickname: "Eve" } },
			status: 201,
			answer: { error: false, data: { people_id: expect.any(String) } },
		},
		{ it: "needs a nickname", path: `${people}/profile`, body: { email: "eve@example.com" }, ...invalid },
		{ it: "needs an e-mail", path: `${people}/profile`, body: { person: { nickname: "Eve" } }, ...invalid },
		{
			it: "refuses custom data on the card",
			path: `${people}/profile`,
			body: { email: "eve@example.com", person: { nickname: "Eve" }, data: {} },
			...invalid,
		},
		{
			it: "creates no second profile",
			path: `${people}/profile`,
			body: { email: "Ada@example.com", person: { nickname: "Ada" } },
			status: 409,
		},
		{ it: "finds a profile", method: "HEAD", path: profile, status: 200 },
		{
			it: "finds no profile of an unknown person",
			method: "HEAD",
			path: `${people}/profile/eve@example.com`,
			status: 404,
		},
		{
			it: "shows a profile",
			method: "GET",
			path: profile,
			status: 200,
			answer: { data: { email: "ada@example.com" } },
		},
		{ it: "changes a profile", method: "PATCH", path: profile, body: { person: { phone: "1" } }, ...done },
		{
			it: "refuses an unknown field of the card",
			method: "PATCH",
			path: profile,
			body: { person: { plan: "pro" } },
			...invalid,
		},
		{ it: "refuses null on the card", method: "PATCH", path: profile, body: { person: { phone: null } }, ...invalid },
		{
			it: "does not replace a profile with a part of one",
			method: "PUT",
			path: profile,
			body: { notepad: "x" },
			...invalid,
		},
		{ it: "does not change an unknown person", method: "PATCH", path: `${people}/profile/x`, body: {}, ...notFound },
		{ it: "removes a profile", method: "DELETE", path: profile, ...done },
		{ it: "takes data", method: "PATCH", path: data, body: { data: { plan: "pro", seats: 3, paid: true } }, ...done },
		{ it: "needs data to be wrapped", method: "PATCH", path: data, body: { plan: "pro" }, ...invalid },
		{ it: "takes scalars only", method: "PATCH", path: data, body: { data: { tags: ["a"] } }, ...invalid },
		{ it: "takes no null in data", method: "PATCH", path: data, body: { data: { plan: null } }, ...invalid },
		{
			it: "stores no data of an unknown person",
			method: "PATCH",
			path: `${people}/data/x`,
			body: { data: {} },
			...notFound,
		},
	]);

	test("PATCH merges cards and data, PUT replaces data", async () => {
		await ask("crisp", { method: "PATCH", path: profile, body: { person: { nickname: "Ada" }, notepad: "a" } });
		await ask("crisp", { method: "PATCH", path: profile, body: { person: { phone: "1" } } });
		await ask("crisp", { method: "PATCH", path: data, body: { data: { a: 1, b: 1 } } });
		await ask("crisp", { method: "PATCH", path: data, body: { data: { b: 2 } } });
		expect(sandbox.people("crisp")).toMatchObject([
			{ profile: { person: { nickname: "Ada", phone: "1" }, notepad: "a" }, attributes: { a: 1, b: 2 } },
		]);
		await ask("crisp", { method: "PUT", path: data, body: { data: { c: 3 } } });
		expect(sandbox.people("crisp")[0]?.attributes).toEqual({ c: 3 });
	});

	test("an event is stored on the profile, with the time of its arrival", async () => {
		const before = Date.now();
		await ask("crisp", { path: events, body: example });
		const [ada] = sandbox.people("crisp");
		expect(ada?.events).toEqual([
			{ name: "basket:item:added", color: "blue", data: { product: "iPhone X" }, at: expect.any(Number) },
		]);
		expect(ada?.events[0]?.at).toBeGreaterThanOrEqual(before);
		const listed = await ask("crisp", { method: "GET", path: `${events}/list/1` });
		expect(listed.answer).toMatchObject({ data: [example] });
	});

	test("the id stays when the e-mail changes", async () => {
		await ask("crisp", { method: "PATCH", path: profile, body: { email: "countess@example.com" } });
		const [ada] = sandbox.people("crisp");
		expect(ada?.email).toBe("countess@example.com");
		expect((await ask("crisp", { path: `${people}/events/${ada?.id}`, body: example })).status).toBe(200);
		expect((await ask("crisp", { path: `${people}/events/countess@example.com`, body: example })).status).toBe(200);
	});
});

describe("HelpCrunch", () => {
	// Example from source document 002.
	const example = { name: "Button Click", data: { button: "Start Free Trial", clicks: true }, customer: "{id}" };
	const generic = { code: "invalid_request", message: "Invalid request" };
	const because = (code: string, message: string | object = expect.any(String)) => ({
		errors: expect.arrayContaining([generic, { code, message }]),
	});
	const search = (filter: unknown, more = {}) => ({ path: "/customers/search", body: { filter, ...more } });
	const where = (field: string, operator: string, value: unknown) => [{ field, operator, value }];
	const one = { status: 200, answer: { total: 1, data: [{ email: "ada@example.com", userId: "u-1" }] } };
	const none = { status: 200, answer: { total: 0, data: [] } };

	table("helpcrunch", [
		{
			it: "takes the documented event",
			path: "/events",
			body: example,
			status: 200,
			answer: { name: "Button Click", createdAt: expect.stringMatching(/^\d+$/), data: example.data },
		},
		{ it: "takes an event without data", path: "/events", body: { name: "x", customer: "{id}" }, status: 200 },
		{
			it: "needs the customer",
			path: "/events",
			body: { name: "x" },
			status: 400,
			answer: because("customer", "This value should not be blank."),
		},
		{
			it: "needs a numeric customer",
			path: "/events",
			body: { name: "x", customer: "ada@example.com" },
			status: 400,
			answer: { errors: [generic, { code: "customer", message: "This value should be of type numeric." }] },
		},
		{ it: "needs a name", path: "/events", body: { customer: 1, name: "" }, status: 400, answer: because("name") },
		{ it: "needs data to be an object", path: "/events", body: { ...example, data: ["x"] }, status: 400 },
		{ it: "accepts no time of the event", path: "/events", body: { ...example, createdAt: 1 }, status: 400 },
		{
			it: "does not find an unknown person",
			path: "/events",
			body: { name: "x", customer: 1 },
			status: 404,
			answer: { errors: [generic, { code: "not_found", message: "Chat not found" }] },
		},
		{
			it: "refuses a wrong key",
			path: "/events",
			body: example,
			headers: { authorization: "Bearer x" },
			status: 401,
			answer: { errors: [generic, { code: "unauthorized", message: "Unauthorized" }] },
		},
		{ it: "needs Bearer", path: "/events", body: example, headers: { authorization: undefined }, status: 401 },
		{ it: "refuses broken JSON", path: "/events", body: "{", status: 400, answer: because("body") },
		{ it: "needs JSON", path: "/events", body: example, headers: { "content-type": "text/plain" }, status: 400 },
		{
			it: "refuses another method",
			method: "GET",
			path: "/events",
			status: 405,
			answer: because("method_not_allowed"),
		},
		{ it: "has no other route", path: "/event", body: example, status: 404, answer: because("not_found") },

		{ it: "finds by userId", ...search(where("customers.userId", "=", "u-1")), ...one },
		{ it: "finds a userId only in its own case", ...search(where("customers.userId", "=", "U-1")), ...none },
		{ it: "finds by e-mail in any case", ...search(where("customers.email", "=", "ADA@example.com")), ...one },
		{ it: "finds by id", ...search([{ field: "customers.id", operator: "=", value: "{id}" }]), ...one },
		{ it: "finds a part with ~", ...search(where("customers.email", "~", "ada")), ...one },
		{ it: "finds no part with =", ...search(where("customers.email", "=", "ada")), ...none },
		{
			it: "joins conditions",
			...search([...where("customers.userId", "=", "u-2"), ...where("customers.email", "=", "ada@example.com")], {
				comparison: "OR",
			}),
			...one,
		},
		{
			it: "needs a field",
			...search([{ operator: "=", value: "x" }]),
			status: 400,
			answer: because("filter[0].field", "This value should not be blank."),
		},
		{
			it: "refuses an unknown field",
			...search(where("email", "=", "x")),
			status: 400,
			answer: because("filter[0].field"),
		},
		{
			it: "refuses an unknown operator",
			...search(where("customers.email", "==", "x")),
			status: 400,
			answer: because("filter[0].operator"),
		},
		{
			it: "needs values of the field's type",
			...search(where("customers.userId", "=", 7)),
			status: 400,
			answer: because("filter[0].value"),
		},
		{ it: "needs numeric ids in a search", ...search(where("customers.id", "=", "7")), status: 400 },
		{ it: "needs a filter", path: "/customers/search", body: {}, status: 400, answer: because("filter") },

		{
			it: "creates a customer",
			path: "/customers",
			body: { name: "Eve", email: "eve@example.com", customData: [{ property: "plan", value: "pro" }] },
			status: 201,
			answer: { id: expect.any(Number), name: "Eve", customData: [{ property: "plan", value: "pro" }] },
		},
		{ it: "creates a customer without fields", path: "/customers", body: {}, status: 201 },
		{
			it: "creates a second customer with the same e-mail",
			path: "/customers",
			body: { email: "ada@example.com" },
			status: 201,
		},
		{
			it: "creates no second customer with the same userId",
			path: "/customers",
			body: { userId: "u-1" },
			status: 400,
			answer: because("userId"),
		},
		{ it: "needs userIds to be text", path: "/customers", body: { userId: 7 }, status: 400, answer: because("userId") },
		{ it: "refuses an unknown field", path: "/customers", body: { plan: "pro" }, status: 400, answer: because("plan") },
		{ it: "needs customData to be a list", path: "/customers", body: { customData: { plan: "pro" } }, status: 400 },
		{
			it: "needs scalars in customData",
			path: "/customers",
			body: { customData: [{ property: "a", value: [] }] },
			status: 400,
			answer: because("customData[0].value"),
		},
		{ it: "needs locale to be a language", path: "/customers", body: { locale: "en-US" }, status: 400 },
		{ it: "shows a customer", method: "GET", path: "/customers/{id}", status: 200, answer: { userId: "u-1" } },
		{
			it: "changes a customer",
			method: "PATCH",
			path: "/customers/{id}",
			body: { company: "X" },
			status: 200,
			answer: { company: "X", email: "ada@example.com" },
		},
		{
			it: "clears fields set to null",
			method: "PATCH",
			path: "/customers/{id}",
			body: { email: null },
			status: 200,
			answer: { email: null, userId: "u-1" },
		},
		{
			it: "clears fields that PUT leaves out",
			method: "PUT",
			path: "/customers/{id}",
			body: { company: "X" },
			status: 200,
			answer: { company: "X", email: null, userId: null },
		},
		{ it: "does not change an unknown person", method: "PATCH", path: "/customers/1", body: {}, status: 404 },
		{ it: "needs a numeric id in the path", method: "GET", path: "/customers/ada@example.com", status: 404 },
		{ it: "removes a customer", method: "DELETE", path: "/customers/{id}", status: 204 },
		{ it: "lists customers", method: "GET", path: "/customers?limit=1", status: 200, answer: { total: 1 } },
	]);

	test("sorts and limits the results of a search", async () => {
		for (const lastSeen of ["30", "9", "200"])
			await ask("helpcrunch", { path: "/customers", body: { email: "twin@example.com", lastSeen } });
		const { answer } = await ask(
			"helpcrunch",
			search(where("customers.email", "=", "twin@example.com"), {
				sort: "customers.lastSeen",
				order: "DESC",
				limit: 2,
			}),
		);
		expect(answer).toMatchObject({ total: 3, data: [{ lastSeen: "200" }, { lastSeen: "30" }] });
	});

	test("an update's custom data is merged with the existing data", async () => {
		const update = (customData: unknown) =>
			ask("helpcrunch", { method: "PATCH", path: "/customers/{id}", body: { customData } });
		await update([{ property: "a", value: 1 }]);
		await update([{ property: "b", value: true }]);
		expect(sandbox.people("helpcrunch")[0]?.attributes).toEqual({ a: 1, b: true });
	});
});

describe("Vibetrace", () => {
	const user = { email: "ada@example.com" };
	const event = (content: unknown) => ({ path: "/event", body: { user, event: content } });
	// Answer from source document 003, where `email` holds a sentence.
	const created = {
		status: 200,
		answer: { results: { message: "Event created", email: "Event was created for the specified user" } },
	};
	const missing = {
		status: 400,
		answer: { errors: [{ message: "Missing event information", description: expect.any(String) }] },
	};
	const unknownUser = {
		errors: [{ message: "User not found", description: "This email does not exist in our database." }],
	};

	table("vibetrace", [
		{ it: "takes the documented update", ...event({ update: { firstname: "alexandru" } }), ...created },
		{
			it: "takes the documented generic event",
			...event({ generic: { generic: { event_name: "my_event", firstname: "alexandru" } } }),
			...created,
		},
		{ it: "takes a user by _id", path: "/event", body: { user: { _id: "{id}" }, event: { update: {} } }, ...created },
		{
			it: "takes the e-mail in any case",
			path: "/event",
			body: { user: { email: "ADA@example.com" }, event: { update: {} } },
			...created,
		},
		{
			it: "takes a confirmation",
			...event({ confirmation: { orderId: "A-1", total: 99.9, items: [{ id: "a", quantity: 1 }] } }),
			...created,
		},
		{ it: "takes a standard event", ...event({ viewitem: { itemId: "a" } }), ...created },
		{ it: "ignores unknown fields", path: "/event", body: { user, event: { update: {} }, at: 1 }, ...created },
		{
			it: "needs the event",
			path: "/event",
			body: { user },
			status: 400,
			answer: {
				errors: [
					{ message: "Missing event information", description: "Please send event information along with user" },
				],
			},
		},
		{ it: "needs the user", path: "/event", body: { event: { update: {} } }, ...missing },
		{ it: "needs an address of the user", path: "/event", body: { user: {}, event: { update: {} } }, ...missing },
		{ it: "needs a type", ...event({}), ...missing },
		{ it: "needs one type", ...event({ update: {}, login: user }), ...missing },
		{ it: "needs a declared type", ...event({ my_event: {} }), ...missing },
		{ it: "is not fooled by inherited names", ...event({ constructor: {} }), ...missing },
		{ it: "needs generic nested twice", ...event({ generic: { event_name: "x" } }), ...missing },
		{ it: "needs event_name", ...event({ generic: { generic: { name: "x" } } }), ...missing },
		{ it: "needs an orderId", ...event({ confirmation: { total: 1 } }), ...missing },
		{ it: "needs an e-mail in login", ...event({ login: {} }), ...missing },
		{
			it: "does not find an unknown person",
			path: "/event",
			body: { user: { email: "eve@example.com" }, event: { update: {} } },
			status: 400,
			answer: unknownUser,
		},
		{
			it: "has no route with a slash at the end",
			...event({ update: {} }),
			path: "/event/",
			status: 404,
			answer: { errors: [{}] },
		},
		{ it: "matches paths in their own case only", ...event({ update: {} }), path: "/Event", status: 404 },
		{ it: "refuses another method", method: "GET", path: "/event", status: 405, answer: { errors: [{}] } },
		{ it: "refuses a wrong key", ...event({ update: {} }), headers: { authorization: "x" }, status: 401 },
		{ it: "refuses the key as Bearer", ...event({ update: {} }), headers: { authorization: "Bearer x" }, status: 401 },
		{
			it: "refuses the sample of the documentation, which lacks a comma",
			path: "/event",
			body: '{"user": {"email": "ada@example.com"} "event": {"update": {}}}',
			status: 400,
			answer: { errors: [{ message: "Invalid data format/type" }] },
		},
		{ it: "needs JSON", ...event({ update: {} }), headers: { "content-type": "text/plain" }, status: 400 },

		{ it: "shows a user", method: "GET", path: "/user/ada%40example.com", status: 200, answer: user },
		{
			it: "does not show an unknown user",
			method: "GET",
			path: "/user/eve%40example.com",
			status: 404,
			answer: unknownUser,
		},
		{
			it: "creates a user",
			path: "/user",
			body: { email: "eve@example.com" },
			status: 200,
			answer: {
				results: [{ message: expect.any(String), email: "eve@example.com" }],
				object: { _id: expect.any(String) },
			},
		},
		{ it: "creates no second user", path: "/user", body: user, status: 400, answer: { errors: [{}] } },
		{ it: "needs an address", path: "/user", body: { firstname: "x" }, status: 400 },
		{ it: "changes a user", method: "PUT", path: "/user/ada%40example.com", body: { a: 1 }, status: 200 },
		{
			it: "does not change an unknown person",
			method: "PUT",
			path: "/user/e@x.com",
			body: {},
			status: 404,
			answer: unknownUser,
		},
		{
			it: "creates with upsert",
			method: "PUT",
			path: "/user/eve%2Bnews%40example.com?upsert=true",
			body: { firstname: "Eve" },
			status: 200,
			answer: { results: [{ email: "eve+news@example.com" }], object: { firstname: "Eve" } },
		},
		{ it: "needs attributes", method: "PUT", path: "/user/ada%40example.com", body: [], status: 400 },
	]);

	test("a second confirmation with the same orderId is discarded", async () => {
		for (const orderId of ["A-1", "A-1", "A-2"])
			expect((await ask("vibetrace", event({ confirmation: { orderId } }))).status).toBe(200);
		expect(sandbox.people("vibetrace")[0]?.events.map(({ data }) => data?.orderId)).toEqual(["A-1", "A-2"]);
	});

	test("updates become attributes, generic events are called by event_name", async () => {
		await ask("vibetrace", event({ update: { firstname: "Ada", nested: {}, email: "other@example.com" } }));
		await ask("vibetrace", event({ generic: { generic: { event_name: "seen", page: 1 } } }));
		expect(sandbox.people("vibetrace")).toMatchObject([
			{
				email: "ada@example.com",
				attributes: { firstname: "Ada" },
				events: [{ type: "generic", name: "seen", data: { page: 1 } }],
			},
		]);
		expect(sandbox.people("vibetrace")[0]?.attributes).not.toHaveProperty("nested");
	});
});
