import { randomBytes } from "node:crypto";
import { createPeople, type SandboxPerson } from "../people.ts";
import { createQuota, type SimulatedProvider } from "../provider.ts";
import { anything, handlers, literalRouter, type Reply, type Routes, send, serve } from "../routes.ts";
import {
	customData,
	customer,
	customerEvent,
	customerSearch,
	customerTags,
	type Violation,
	violations,
} from "./schemas.ts";
import { compare, field, matches, rendered } from "./search.ts";

/** Credentials of the simulated HelpCrunch, for a site's configuration. */
export interface HelpcrunchCredentials {
	apiKey: string;
}

const minute = 60_000;

/** Refuses in HelpCrunch's envelope, whose first entry is always the same. */
const refuse = (status: number, ...errors: Violation[]): Reply => ({
	status,
	body: { errors: [{ code: "invalid_request", message: "Invalid request" }, ...errors] },
});
const notFound = (message: string) => refuse(404, { code: "not_found", message });
const userIdTaken = refuse(400, { code: "userId", message: "This value is already used." });
const answer = (body: unknown, status = 200): Reply => ({ status, body });

const { valid, about } = handlers((error) => refuse(400, ...violations(error)));

const unixSeconds = () => String(Math.floor(Date.now() / 1000));

/**
 * Simulates HelpCrunch's routes for events and customers. At HelpCrunch, userIds are unique, e-mails are not. `names`
 * matches the custom attributes that are declared.
 */
export function simulateHelpcrunch(perMinute: number, names: RegExp): SimulatedProvider<HelpcrunchCredentials> {
	const credentials: HelpcrunchCredentials = { apiKey: randomBytes(32).toString("base64url") };
	const people = createPeople();
	const quota = createQuota(perMinute, minute);
	// Ids begin at the time, so that a later sandbox reuses none: a proxy's store may remember them.
	let lastId = Date.now();
	let lastEventId = lastId;

	const add: SimulatedProvider<HelpcrunchCredentials>["add"] = (person) => {
		const added = people.add(++lastId, person);
		added.profile = { firstSeen: unixSeconds(), lastSeen: unixSeconds() };
		return added;
	};

	const ofCustomer = about(
		({ id = "" }) => (/^\d+$/.test(id) ? people.find(id) : undefined),
		notFound("Customer not found"),
	);

	/** Writes the given fields; returns the refusal of an attribute that is not declared, or of another's userId. */
	const write = (person: SandboxPerson, body: Record<string, unknown>): Reply | undefined => {
		const { email, userId, customData: given = [], ...profile } = body;
		const attributes = customData.parse(given);
		const unknown = attributes.findIndex(({ property }) => property.search(names) < 0);
		if (unknown >= 0)
			return refuse(400, { code: `customData[${unknown}].property`, message: "This attribute does not exist." });
		if (typeof userId === "string") {
			if (people.all().some((other) => other !== person && other.userId === userId)) return userIdTaken;
			person.userId = userId;
		} else if (userId === null) delete person.userId;
		if (email !== undefined) people.readdress(person, typeof email === "string" ? email : undefined);
		Object.assign(person.profile, profile);
		for (const { property, value } of attributes) {
			if (value === null) delete person.attributes[property];
			else person.attributes[property] = value;
		}
		return undefined;
	};
	const tagsOf = ({ profile }: SandboxPerson) => (profile.tags ?? []) as { name: string }[];

	const routes: Routes = {
		"/events": {
			post: valid(customerEvent, ({ customer: id, name, data }) => {
				const person = people.find(id);
				// The documentation of this route prints "Chat", not "Customer".
				if (!person) return notFound("Chat not found");
				person.events.push({ name, ...(data && { data }), at: Date.now() });
				return answer({ id: ++lastEventId, name, data, createdAt: unixSeconds() });
			}),
		},
		"/customers/search": {
			post: valid(customerSearch, ({ filter, comparison, limit, offset, sort, order }) => {
				const found = people
					.all()
					.filter((person) =>
						filter[comparison === "AND" ? "every" : "some"]((condition) => matches(person, condition)),
					)
					.sort((a, b) => compare(field(a, sort), field(b, sort)) * (order === "ASC" ? 1 : -1));
				return answer({ data: found.slice(offset, offset + limit).map(rendered), total: found.length });
			}),
		},
		"/customers": {
			get() {
				const all = people.all();
				return answer({ data: all.slice(0, 100).map(rendered), total: all.length });
			},
			post: valid(customer, (body) => {
				const person = add({});
				const refusal = write(person, body);
				if (!refusal) return answer(rendered(person), 201);
				people.remove(person);
				return refusal;
			}),
		},
		"/customers/:id/tags": {
			// Adds tags to those that the customer has; unknown tags are created.
			put: ofCustomer(customerTags, (person, { tags }) => {
				const others = tagsOf(person).filter(({ name }) => !tags.some((tag) => tag.name === name));
				person.profile.tags = [...others, ...tags];
				return answer(rendered(person));
			}),
			delete: ofCustomer(customerTags, (person, { tags }) => {
				person.profile.tags = tagsOf(person).filter(({ name }) => !tags.some((tag) => tag.name === name));
				return answer(rendered(person));
			}),
		},
		"/customers/:id": {
			get: ofCustomer(anything, (person) => answer(rendered(person))),
			patch: ofCustomer(customer, (person, body) => write(person, body) ?? answer(rendered(person))),
			put: ofCustomer(customer, (person, body) => {
				// PUT nulls the fields it leaves out; the older half of the documentation page says otherwise.
				person.profile = {};
				return write(person, { email: null, userId: null, ...body }) ?? answer(rendered(person));
			}),
			delete: ofCustomer(anything, (person) => {
				people.remove(person);
				return { status: 204 };
			}),
		},
	};

	const router = literalRouter();
	router.use((request, response, next) => {
		if (request.headers.authorization !== `Bearer ${credentials.apiKey}`)
			send(response, refuse(401, { code: "unauthorized", message: "Unauthorized" }));
		else if (!quota.spend()) send(response, refuse(429, { code: "too_many_requests", message: "Too many requests" }));
		else next();
	});
	serve(router, routes, {
		body: (message) => refuse(400, { code: "body", message }),
		method: refuse(405, { code: "method_not_allowed", message: "Method not allowed" }),
		route: notFound("Not found"),
		path: notFound("Not found"),
	});

	return {
		credentials,
		router,
		people,
		add,
		clear() {
			for (const each of [people, quota]) each.clear();
		},
	};
}
