import type { RequestHandler, Response, Router } from "express";
import type { NewPerson, SandboxPerson } from "./people.ts";

export const destinations = ["crisp", "helpcrunch", "vibetrace"] as const;
/** The three providers, as eventferry's configuration names them. */
export type Destination = (typeof destinations)[number];

/** A simulated provider: its HTTP routes and the profiles it holds. */
export interface SimulatedProvider<Credentials> {
	credentials: Credentials;
	router: Router;
	people(): SandboxPerson[];
	add(person: NewPerson): SandboxPerson;
	remove(email: string): void;
	clear(): void;
}

/** A limit of requests per window. A window starts with its first request. */
export function createQuota(limit: number, windowMs: number) {
	let startedAt = Number.NEGATIVE_INFINITY;
	let used = 0;
	return {
		/** Counts one more request; returns whether the quota allows it. */
		spend(): boolean {
			const now = Date.now();
			if (now - startedAt >= windowMs) {
				startedAt = now;
				used = 0;
			}
			used += 1;
			return used <= limit;
		},
		clear(): void {
			startedAt = Number.NEGATIVE_INFINITY;
		},
	};
}

/**
 * Parses the body that the record has read as text. Refuses a body that is not declared as JSON or is not valid JSON,
 * in the provider's own words.
 */
export function jsonBody(refuse: (response: Response, why: string) => void): RequestHandler {
	return (request, response, next) => {
		if (typeof request.body !== "string") {
			next();
			return;
		}
		if (!request.is("application/json")) {
			refuse(response, "Content-Type must be application/json");
			return;
		}
		try {
			request.body = JSON.parse(request.body);
		} catch {
			refuse(response, "The body is not valid JSON");
			return;
		}
		next();
	};
}
