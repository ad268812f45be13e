import type { Router } from "express";
import type { createPeople, NewPerson, SandboxPerson } from "./people.ts";

/** Names of the three providers, as in eventferry's configuration. */
export const providerNames = ["crisp", "helpcrunch", "vibetrace"] as const;
export type ProviderName = (typeof providerNames)[number];

/** A simulated provider: its HTTP routes and the profiles it holds. */
export interface SimulatedProvider<Credentials> {
	credentials: Credentials;
	router: Router;
	people: ReturnType<typeof createPeople>;
	/** Adds a person under a new id. */
	add(person: NewPerson): SandboxPerson;
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
