import { randomBytes } from "node:crypto";
import { createPeople, type SandboxPerson } from "../people.ts";
import type { SimulatedProvider } from "../provider.ts";
import { handlers, literalRouter, type Reply, type Routes, send, serve } from "../routes.ts";
import { newUser, readEvent, userAttributes, type VibetraceEvent } from "./schemas.ts";

/** Credentials of the simulated Vibetrace, for a site's configuration. */
export interface VibetraceCredentials {
	apiKey: string;
}

const refuse = (status: number, message: string, description: string): Reply => ({
	status,
	body: { errors: [{ message, description }] },
});
const malformed = (description: string) => refuse(400, "Invalid data format/type", description);
const invalidUser = (description: string) => refuse(400, "Error validating user attributes", description);
const unknownUser = (status: number) => refuse(status, "User not found", "This email does not exist in our database.");

const { valid } = handlers(() => malformed("Please send user attributes as an object"));

/**
 * Simulates Vibetrace's routes for events and users. Vibetrace documents no limit of requests. `names` matches the
 * attributes that are accepted.
 */
export function simulateVibetrace(names: RegExp): SimulatedProvider<VibetraceCredentials> {
	const credentials: VibetraceCredentials = { apiKey: randomBytes(24).toString("hex") };
	const people = createPeople();
	const orders = new Set<string>();
	const newId = () => randomBytes(12).toString("hex");

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

	const areNamed = (attributes: Record<string, unknown>) =>
		Object.keys(attributes).every((name) => name.search(names) >= 0);

	/** Sets attributes of a user, and adds the user if there is none. */
	function save(email: string, known: SandboxPerson | undefined, attributes: Record<string, unknown>): Reply {
		if (!areNamed(attributes)) return invalidUser("Please send valid attributes");
		const person = known ?? people.add(newId(), { email });
		assign(person, attributes);
		const results = [{ message: known ? "User updated" : "User created", email: person.email }];
		return { status: 200, body: { results, object: { _id: person.id, ...shown(person) } } };
	}

	const routes: Routes = {
		"/event": {
			post({ body }) {
				const event = readEvent(body);
				if (typeof event === "string") return refuse(400, "Missing event information", event);
				const person = people.find("email" in event.user ? event.user.email : event.user._id);
				// Undocumented status: the documentation says only "you will receive an error".
				if (!person) return unknownUser(400);
				if (event.type === "update" && !areNamed(event.payload)) return invalidUser("Please send valid attributes");
				record(person, event);
				const results = { message: "Event created", email: "Event was created for the specified user" };
				return { status: 200, body: { results } };
			},
		},
		"/user": {
			post({ body }) {
				const { data } = newUser.safeParse(body);
				if (!data) return invalidUser("Please send a valid email");
				if (people.find(data.email)) return invalidUser("This email already exists in our database.");
				return save(data.email, undefined, data);
			},
		},
		"/user/:person": {
			get({ params: { person = "" } }) {
				const known = people.find(person);
				return known ? { status: 200, body: shown(known) } : unknownUser(404);
			},
			put: valid(userAttributes, (attributes, { params: { person: email = "" }, query }) => {
				const known = people.find(email);
				if (!known && query.upsert !== "true") return unknownUser(404);
				if (!known && !newUser.safeParse({ email }).success) return invalidUser("Please send a valid email");
				return save(email, known, attributes);
			}),
		},
	};

	const router = literalRouter();
	router.use((request, response, next) => {
		// Vibetrace takes the bare key, without Bearer or Basic. Its answer to a wrong key is undocumented.
		if (request.headers.authorization === credentials.apiKey) next();
		else send(response, refuse(401, "Unauthorized", "The API key is missing or wrong"));
	});
	serve(router, routes, {
		body: malformed,
		method: refuse(405, "Method not allowed", "This endpoint does not support this method"),
		route: refuse(404, "Not found", "This endpoint does not exist"),
		path: malformed("The path cannot be decoded"),
	});

	return {
		credentials,
		router,
		people,
		add: (person) => people.add(newId(), person),
		clear() {
			for (const each of [people, orders]) each.clear();
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
