import { randomBytes } from "node:crypto";
import { type ErrorRequestHandler, type RequestHandler, type Response, Router } from "express";
import { createPeople, type SandboxPerson } from "../people.ts";
import { jsonBody, type SimulatedProvider } from "../provider.ts";
import { newUser, readEvent, userAttributes, type VibetraceEvent } from "./schemas.ts";

/** Credentials of the simulated Vibetrace, for a site's configuration. */
export interface VibetraceCredentials {
	apiKey: string;
}

const refuse = (response: Response, status: number, message: string, description: string) =>
	response.status(status).json({ errors: [{ message, description }] });

const unknownUser = (response: Response, status: number) =>
	refuse(response, status, "User not found", "This email does not exist in our database.");

const methodNotAllowed: RequestHandler = (_request, response) =>
	refuse(response, 405, "Method not allowed", "This endpoint does not support this method");

// Express passes path segments that it cannot decode to error handlers.
const invalidPath: ErrorRequestHandler = (_error, _request, response, _next) =>
	refuse(response, 400, "Invalid data format/type", "The path cannot be decoded");

/** Creates Vibetrace's routes for events and users. Vibetrace documents no limit of requests. */
export function simulateVibetrace(): SimulatedProvider<VibetraceCredentials> {
	const credentials: VibetraceCredentials = { apiKey: randomBytes(24).toString("hex") };
	const people = createPeople();
	const orders = new Set<string>();
	const newId = () => randomBytes(12).toString("hex");

	const admit: RequestHandler = (request, response, next) => {
		// Vibetrace takes the bare key, without Bearer or Basic. Its answer to a wrong key is undocumented.
		if (request.headers.authorization === credentials.apiKey) next();
		else refuse(response, 401, "Unauthorized", "The API key is missing or wrong");
	};

	const attributesOnly: RequestHandler<{ person: string }> = (request, response, next) => {
		if (userAttributes.safeParse(request.body).success) next();
		else refuse(response, 400, "Invalid data format/type", "Please send user attributes as an object");
	};

	const answerUser = (response: Response, message: string, person: SandboxPerson) =>
		response.json({ results: [{ message, email: person.email }], object: { _id: person.id, ...shown(person) } });

	const record = (person: SandboxPerson, { type, payload }: VibetraceEvent) => {
		if (type === "update" || type === "login") return assign(person, payload);
		if (type === "confirmation") {
			const order = String(payload.orderId);
			if (orders.has(order)) return;
			orders.add(order);
		}
		const { event_name: name, ...data } = userAttributes.parse(type === "generic" ? payload.generic : payload);
		person.events.push({ type, name: String(name ?? type), data, at: Date.now() });
	};

	const router = Router({ strict: true, caseSensitive: true });
	router.use(admit);
	router.use(jsonBody((response, why) => refuse(response, 400, "Invalid data format/type", why)));

	router
		.route("/event")
		.post((request, response) => {
			const event = readEvent(request.body);
			if (typeof event === "string") return refuse(response, 400, "Missing event information", event);
			const person = people.find("email" in event.user ? event.user.email : event.user._id);
			// The documentation says only "you will receive an error".
			if (!person) return unknownUser(response, 400);
			record(person, event);
			return response.json({
				results: { message: "Event created", email: "Event was created for the specified user" },
			});
		})
		.all(methodNotAllowed);

	router
		.route("/user")
		.post((request, response) => {
			const { data } = newUser.safeParse(request.body);
			if (!data || people.find(data.email))
				return refuse(
					response,
					400,
					"Error validating user attributes",
					data ? "This email already exists in our database." : "Please send a valid email",
				);
			const person = people.add(newId(), { email: data.email });
			assign(person, data);
			return answerUser(response, "User created", person);
		})
		.all(methodNotAllowed);

	router
		.route("/user/:person")
		.get((request, response) => {
			const person = people.find(request.params.person);
			if (person) response.json(shown(person));
			else unknownUser(response, 404);
		})
		.put(attributesOnly, (request, response) => {
			const email = request.params.person;
			const known = people.find(email);
			if (!known && request.query.upsert !== "true") return unknownUser(response, 404);
			if (!known && !newUser.safeParse({ email }).success)
				return refuse(response, 400, "Error validating user attributes", "Please send a valid email");
			const person = known ?? people.add(newId(), { email });
			assign(person, userAttributes.parse(request.body));
			return answerUser(response, known ? "User updated" : "User created", person);
		})
		.all(methodNotAllowed);

	// Paths are literal: `/event/` is not `/event`, and there is no redirect.
	router.use((_request, response) => refuse(response, 404, "Not found", "This endpoint does not exist"));
	router.use(invalidPath);

	return {
		credentials,
		router,
		people: people.all,
		add: (person) => people.add(newId(), person),
		remove: (email) => people.withEmail(email).forEach(people.remove),
		clear() {
			people.clear();
			orders.clear();
		},
	};
}

const shown = ({ email, attributes }: SandboxPerson) => ({ email, ...attributes });

/** Stores scalar attributes and ignores the rest; the e-mail and the id are not attributes. */
function assign(person: SandboxPerson, attributes: Record<string, unknown>): void {
	for (const [name, value] of Object.entries(attributes)) {
		if (name === "email" || name === "_id") continue;
		if (["string", "number", "boolean"].includes(typeof value)) person.attributes[name] = value;
	}
}
