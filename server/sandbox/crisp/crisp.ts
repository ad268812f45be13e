import { randomBytes, randomUUID } from "node:crypto";
import type { Server as HttpServer } from "node:http";
import { type ErrorRequestHandler, type Request, type RequestHandler, type Response, Router } from "express";
import { createPeople, type SandboxPerson } from "../people.ts";
import { createQuota, jsonBody, type SimulatedProvider } from "../provider.ts";
import { answer, methodNotAllowed, pageOf, refuse, valid } from "./answers.ts";
import { createConversations } from "./conversations.ts";
import { type CrispRelay, createRelay } from "./relay.ts";
import { partialCard, peopleData, peopleEvent, type SearchCondition, searchFilter, wholeCard } from "./schemas.ts";
import { createWebsite, createWebsiteRoutes } from "./website.ts";

/** Credentials of the simulated Crisp, for a site's configuration. */
export interface CrispCredentials {
	websiteId: string;
	identifier: string;
	key: string;
	tier: "website";
}

const day = 86_400_000;

// Express passes path segments that it cannot decode to error handlers.
const invalidPath: ErrorRequestHandler = (_error, _request, response, _next) => refuse(response, 400, "invalid_data");

/** Crisp with its socket for events. */
interface SimulatedCrisp extends SimulatedProvider<CrispCredentials> {
	relay: CrispRelay;
	/** Sets the server that the socket listens on. */
	attach(server: HttpServer): void;
	stop(): void;
}

/** Creates Crisp's routes for people, conversations, a website and its operators, under `/website/{website_id}`. */
export function simulateCrisp(perDay: number): SimulatedCrisp {
	const credentials: CrispCredentials = {
		websiteId: randomUUID(),
		identifier: randomUUID(),
		key: randomBytes(32).toString("hex"),
		tier: "website",
	};
	const { relay, attach, url, stop } = createRelay(
		({ username, password, tier }) =>
			username === credentials.identifier && password === credentials.key && tier === credentials.tier,
	);
	const conversations = createConversations(credentials.websiteId, (event, data) => void relay.emit(event, data));
	const website = createWebsiteRoutes();
	const people = createPeople();
	const quota = createQuota(perDay, day);
	const basic = `Basic ${Buffer.from(`${credentials.identifier}:${credentials.key}`).toString("base64")}`;

	const admit: RequestHandler = (request, response, next) => {
		if (request.headers.authorization !== basic) refuse(response, 401, "invalid_session");
		// A missing tier means `user`, and that keypair is not subscribed to any website.
		else if (request.get("x-crisp-tier") !== credentials.tier) refuse(response, 404, "not_subscribed");
		// Crisp documents neither the reason nor a Retry-After here, only the status.
		else if (!quota.spend()) refuse(response, 429, "too_many_requests");
		else next();
	};

	/** Finds the person in the path, by people_id or e-mail. */
	const ofPerson =
		(
			handler: (person: SandboxPerson, request: Request, response: Response) => void,
		): RequestHandler<{ person: string }> =>
		(request, response) => {
			const person = people.find(request.params.person);
			if (person) handler(person, request, response);
			else refuse(response, 404, "not_found");
		};

	/** Stores a contact card; returns false when another profile has its e-mail. */
	const keepCard = (person: SandboxPerson, card: Record<string, unknown>): boolean => {
		const { email, ...profile } = card;
		if (typeof email === "string") {
			const holder = people.find(email);
			if (holder && holder !== person) return false;
			people.readdress(person, email);
		}
		person.profile = profile;
		return true;
	};

	// Undocumented: Crisp's answer for an e-mail that has a profile already.
	const exists = (response: Response) => refuse(response, 409, "people_exists");
	const card = (person: SandboxPerson) => ({ people_id: person.id, email: person.email, ...person.profile });

	const router = Router({ strict: true, caseSensitive: true });
	router.use(admit);
	router.get("/website/connect/endpoints", async (_request, response) => {
		answer(response, 200, "resolved", { socket: { app: await url() } });
	});
	router.use("/website/:website", (request, response, next) => {
		if (request.params.website === credentials.websiteId) next();
		else refuse(response, 404, "not_subscribed");
	});
	router.use(jsonBody((response, why) => refuse(response, 400, "invalid_data", why)));

	router.route("/website").post(createWebsite).all(methodNotAllowed);
	router.use("/website/:website", conversations.router, website.router);

	router
		.route("/website/:website/people/events/:person")
		.post(
			valid(peopleEvent),
			ofPerson((person, request, response) => {
				const { text, ...rest } = peopleEvent.parse(request.body);
				person.events.push({ name: text, ...rest, at: Date.now() });
				answer(response, 200, "dispatched");
			}),
		)
		.all(methodNotAllowed);

	router
		.route("/website/:website/people/events/:person/list/:page")
		.get(
			ofPerson((person, request, response) => {
				const page = pageOf(person.events, request.params.page);
				answer(
					response,
					200,
					"listed",
					page.map(({ name, at, ...event }) => ({ text: name, ...event, timestamp: at })),
				);
			}),
		)
		.all(methodNotAllowed);

	router
		.route("/website/:website/people/profile")
		.post(valid(wholeCard), (request, response) => {
			const { email } = wholeCard.parse(request.body);
			if (people.find(email)) return exists(response);
			const person = people.add(randomUUID(), { email });
			keepCard(person, request.body);
			return answer(response, 201, "added", { people_id: person.id });
		})
		.all(methodNotAllowed);

	router
		.route("/website/:website/people/profile/:person")
		.get(ofPerson((person, _request, response) => answer(response, 200, "resolved", card(person))))
		.put(
			valid(wholeCard),
			ofPerson((person, request, response) =>
				keepCard(person, request.body) ? answer(response, 200, "updated") : exists(response),
			),
		)
		.patch(
			valid(partialCard),
			ofPerson((person, request, response) =>
				keepCard(person, merged(person.profile, request.body)) ? answer(response, 200, "updated") : exists(response),
			),
		)
		.delete(
			ofPerson((person, _request, response) => {
				people.remove(person);
				answer(response, 200, "deleted");
			}),
		)
		.all(methodNotAllowed);

	router
		.route("/website/:website/people/data/:person")
		.get(ofPerson((person, _request, response) => answer(response, 200, "resolved", { data: person.attributes })))
		.put(
			valid(peopleData),
			ofPerson((person, request, response) => {
				person.attributes = peopleData.parse(request.body).data;
				answer(response, 200, "updated");
			}),
		)
		.patch(
			valid(peopleData),
			ofPerson((person, request, response) => {
				Object.assign(person.attributes, peopleData.parse(request.body).data);
				answer(response, 200, "updated");
			}),
		)
		.all(methodNotAllowed);

	router
		.route("/website/:website/people/profiles/:page")
		.get((request, response) => {
			const conditions = searchFilter.safeParse(request.query.search_filter);
			if (!conditions.success) return refuse(response, 400, "invalid_data");
			const isAny = request.query.search_operator === "or";
			const found = people.all().filter((person) => {
				const holds = conditions.data.map((condition) => meets(card(person), condition));
				return isAny ? holds.some(Boolean) : holds.every(Boolean);
			});
			return answer(response, 200, "listed", pageOf(found, request.params.page).map(card));
		})
		.all(methodNotAllowed);

	router
		.route("/website/:website/people/suggest/segments/:page")
		.get((request, response) => {
			const counts = new Map<string, number>();
			for (const { profile } of people.all())
				for (const segment of (profile.segments ?? []) as string[]) counts.set(segment, (counts.get(segment) ?? 0) + 1);
			const segments = [...counts].map(([segment, count]) => ({ segment, count }));
			answer(response, 200, "listed", pageOf(segments, request.params.page));
		})
		.all(methodNotAllowed);

	router.use((_request, response) => refuse(response, 404, "route_not_found"));
	router.use(invalidPath);

	return {
		credentials,
		router,
		people: people.all,
		add: (person) => people.add(randomUUID(), person),
		remove: (email) => people.withEmail(email).forEach(people.remove),
		relay,
		attach,
		stop,
		clear() {
			people.clear();
			conversations.clear();
			website.clear();
			quota.clear();
		},
	};
}

/** Whether a card meets one condition of a search. Only segments are compared; other criteria always match. */
function meets({ segments }: Record<string, unknown>, { criterion, query }: SearchCondition): boolean {
	return criterion !== "segments" || (Array.isArray(segments) && query.every((each) => segments.includes(each)));
}

/** Merges a `PATCH` body: given fields replace old ones, objects field by field. */
function merged(old: Record<string, unknown>, change: Record<string, unknown>): Record<string, unknown> {
	const result = { ...old };
	for (const [field, value] of Object.entries(change)) {
		const before = result[field];
		result[field] = isObject(before) && isObject(value) ? merged(before, value) : value;
	}
	return result;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
	typeof value === "object" && value !== null && !Array.isArray(value);
