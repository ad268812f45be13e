import { randomBytes } from "node:crypto";
import { type ErrorRequestHandler, type Request, type RequestHandler, type Response, Router } from "express";
import type { ZodType } from "zod";
import { createPeople, type SandboxPerson } from "../people.ts";
import { createQuota, jsonBody, type SimulatedProvider } from "../provider.ts";
import { customData, customer, customerEvent, customerSearch, type SearchCondition, violations } from "./schemas.ts";
import { compare, field, matches, rendered } from "./search.ts";

/** Credentials of the simulated HelpCrunch, for a site's configuration. */
export interface HelpcrunchCredentials {
	apiKey: string;
}

const minute = 60_000;

/** HelpCrunch's envelope: a generic first entry, the useful ones after it. */
const refuse = (response: Response, status: number, ...errors: { code: string; message: string }[]) =>
	response.status(status).json({ errors: [{ code: "invalid_request", message: "Invalid request" }, ...errors] });

const notFound = (response: Response, message: string) => refuse(response, 404, { code: "not_found", message });

const methodNotAllowed: RequestHandler = (_request, response) =>
	refuse(response, 405, { code: "method_not_allowed", message: "Method not allowed" });

// Express passes path segments that it cannot decode to error handlers.
const invalidPath: ErrorRequestHandler = (_error, _request, response, _next) => notFound(response, "Not found");

const unixSeconds = () => String(Math.floor(Date.now() / 1000));

/** Creates HelpCrunch's routes for events and customers. userIds are unique there, e-mails are not. */
export function simulateHelpcrunch(perMinute: number): SimulatedProvider<HelpcrunchCredentials> {
	const credentials: HelpcrunchCredentials = { apiKey: randomBytes(32).toString("base64url") };
	const people = createPeople();
	const quota = createQuota(perMinute, minute);
	// HelpCrunch never reuses an id. Neither do later sandboxes, because a proxy's store may remember ids of this one.
	let lastId = Date.now();
	let lastEventId = lastId;

	const add: SimulatedProvider<HelpcrunchCredentials>["add"] = (person) => {
		const added = people.add(++lastId, person);
		added.profile = { firstSeen: unixSeconds(), lastSeen: unixSeconds() };
		return added;
	};

	const admit: RequestHandler = (request, response, next) => {
		if (request.headers.authorization !== `Bearer ${credentials.apiKey}`)
			refuse(response, 401, { code: "unauthorized", message: "Unauthorized" });
		else if (!quota.spend()) refuse(response, 429, { code: "too_many_requests", message: "Too many requests" });
		else next();
	};

	const ofCustomer =
		(handler: (person: SandboxPerson, request: Request, response: Response) => void): RequestHandler<{ id: string }> =>
		(request, response) => {
			const { id } = request.params;
			const person = /^\d+$/.test(id) ? people.find(id) : undefined;
			if (person) handler(person, request, response);
			else notFound(response, "Customer not found");
		};

	const valid =
		<P>(schema: ZodType): RequestHandler<P> =>
		(request, response, next) => {
			const { error } = schema.safeParse(request.body);
			if (error) refuse(response, 400, ...violations(error));
			else next();
		};

	/** Writes the given fields; returns false when another customer has the userId. */
	const write = (person: SandboxPerson, body: Record<string, unknown>): boolean => {
		const { email, userId, customData: attributes = [], ...profile } = body;
		if (typeof userId === "string") {
			if (people.all().some((other) => other !== person && other.userId === userId)) return false;
			person.userId = userId;
		} else if (userId === null) delete person.userId;
		if (email !== undefined) people.readdress(person, typeof email === "string" ? email : undefined);
		Object.assign(person.profile, profile);
		for (const { property, value } of customData.parse(attributes)) person.attributes[property] = value;
		return true;
	};

	const userIdTaken = (response: Response) =>
		refuse(response, 400, { code: "userId", message: "This value is already used." });

	const router = Router({ strict: true, caseSensitive: true });
	router.use(admit);
	router.use(jsonBody((response, message) => refuse(response, 400, { code: "body", message })));

	router
		.route("/events")
		.post(valid(customerEvent), (request, response) => {
			const { customer: id, name, data } = customerEvent.parse(request.body);
			const person = people.find(id);
			// "Chat" is what the documentation of this very route prints.
			if (!person) return notFound(response, "Chat not found");
			person.events.push({ name, ...(data && { data }), at: Date.now() });
			return response.json({ id: ++lastEventId, name, data, createdAt: unixSeconds() });
		})
		.all(methodNotAllowed);

	router
		.route("/customers/search")
		.post(valid(customerSearch), (request, response) => {
			const { filter, comparison, limit, offset, sort, order } = customerSearch.parse(request.body);
			const holds = (person: SandboxPerson) => (one: SearchCondition) => matches(person, one);
			const found = people
				.all()
				.filter((person) => (comparison === "AND" ? filter.every(holds(person)) : filter.some(holds(person))))
				.sort((a, b) => compare(field(a, sort), field(b, sort)) * (order === "ASC" ? 1 : -1));
			response.json({ data: found.slice(offset, offset + limit).map(rendered), total: found.length });
		})
		.all(methodNotAllowed);

	router
		.route("/customers")
		.get((_request, response) => {
			const all = people.all();
			response.json({ data: all.slice(0, 100).map(rendered), total: all.length });
		})
		.post(valid(customer), (request, response) => {
			const person = add({});
			if (write(person, request.body)) return response.status(201).json(rendered(person));
			people.remove(person);
			return userIdTaken(response);
		})
		.all(methodNotAllowed);

	const update = (clear: boolean) =>
		ofCustomer((person, request, response) => {
			// PUT nulls fields that it does not name; the older half of the documentation page says otherwise.
			if (clear) person.profile = {};
			if (write(person, clear ? { email: null, userId: null, ...request.body } : request.body))
				response.json(rendered(person));
			else userIdTaken(response);
		});

	router
		.route("/customers/:id")
		.get(ofCustomer((person, _request, response) => response.json(rendered(person))))
		.patch(valid(customer), update(false))
		.put(valid(customer), update(true))
		.delete(
			ofCustomer((person, _request, response) => {
				people.remove(person);
				response.status(204).end();
			}),
		)
		.all(methodNotAllowed);

	router.use((_request, response) => notFound(response, "Not found"));
	router.use(invalidPath);

	return {
		credentials,
		router,
		people: people.all,
		add,
		remove: (email) => people.withEmail(email).forEach(people.remove),
		clear() {
			people.clear();
			quota.clear();
		},
	};
}
