import { randomBytes, randomUUID } from "node:crypto";
import type { Server } from "node:http";
import { createPeople } from "../people.ts";
import { createQuota, type SimulatedProvider } from "../provider.ts";
import { literalRouter, type Routes, send, serve } from "../routes.ts";
import { answer, refuse, valid } from "./answers.ts";
import { createConversations } from "./conversations.ts";
import { type PeopleLimits, peopleRoutes } from "./people.ts";
import { type CrispRelay, createRelay } from "./relay.ts";
import { newWebsite } from "./schemas.ts";
import { createWebsite } from "./website.ts";

/** Credentials of the simulated Crisp, for a site's configuration. */
export interface CrispCredentials {
	websiteId: string;
	identifier: string;
	key: string;
	tier: "website";
}

const day = 86_400_000;

interface SimulatedCrisp extends SimulatedProvider<CrispCredentials> {
	relay: CrispRelay;
	stop(): void;
}

/** Simulates Crisp's routes for people, conversations, a website and its operators, and its socket on `server`. */
export function simulateCrisp(perDay: number, server: Server, limits: PeopleLimits): SimulatedCrisp {
	const credentials: CrispCredentials = {
		websiteId: randomUUID(),
		identifier: randomUUID(),
		key: randomBytes(32).toString("hex"),
		tier: "website",
	};
	const { websiteId, identifier, key, tier } = credentials;
	const { relay, url, stop } = createRelay(
		server,
		(given) => given.username === identifier && given.password === key && given.tier === tier,
	);
	const people = createPeople();
	const conversations = createConversations(websiteId, relay.emit);
	const website = createWebsite();
	const quota = createQuota(perDay, day);
	const basic = `Basic ${Buffer.from(`${identifier}:${key}`).toString("base64")}`;

	const router = literalRouter();
	router.use((request, response, next) => {
		if (request.headers.authorization !== basic) send(response, refuse(401, "invalid_session"));
		// A request without a tier counts as `user`, whose keypair is subscribed to no website.
		else if (request.get("x-crisp-tier") !== tier) send(response, refuse(404, "not_subscribed"));
		// Crisp documents neither the reason nor a Retry-After here, only the status.
		else if (!quota.spend()) send(response, refuse(429, "too_many_requests"));
		else next();
	});
	router.get("/website/connect/endpoints", async (_request, response) => {
		send(response, answer("resolved", { socket: { app: await url() } }));
	});
	router.use("/website/:website", (request, response, next) => {
		if (request.params.website === websiteId) next();
		else send(response, refuse(404, "not_subscribed"));
	});
	const ofWebsite: Routes = { ...peopleRoutes(people, limits), ...conversations.routes, ...website.routes };
	const routes: Routes = {
		// At Crisp only an operator may create a website.
		"/website": { post: valid(newWebsite, () => answer("added", { website_id: randomUUID() }, 201)) },
		...Object.fromEntries(Object.entries(ofWebsite).map(([path, route]) => [`/website/:website${path}`, route])),
	};
	serve(router, routes, {
		body: (why) => refuse(400, "invalid_data", why),
		method: refuse(405, "method_not_allowed"),
		route: refuse(404, "route_not_found"),
		path: refuse(400, "invalid_data"),
	});

	return {
		credentials,
		router,
		people,
		add: (person) => people.add(randomUUID(), person),
		relay,
		stop,
		clear() {
			for (const each of [people, conversations, website, quota]) each.clear();
		},
	};
}
