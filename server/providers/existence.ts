import type { StoredEvent } from "../stored-event.ts";
import {
	type Known,
	mayCreate,
	type Outcome,
	type Plan,
	type PlannedRequest,
	type ProviderOptions,
} from "./provider.ts";

/**
 * Whether a person is known to be there. Nothing known: assumed to be, as most are.
 *
 *     (nothing) ── 404 ──▶ missing ── create ──▶ fresh ── 2xx ──▶ exists ── 404 ──▶ missing
 *                             │                    └── 404 ──▶ given up
 *                             └── may not be created: nothing is sent for an hour
 */
export interface Existence {
	state?: "missing" | "fresh" | "exists";
	/** Since when missing, ms. */
	missingAt?: number;
}

/** How long a person who may not be created is taken as missing without asking again. */
const missingMs = 3_600_000;

/** What will be known if a request finds its person missing; undefined for one just created or found: then it is given up. */
export function ifMissing({ state }: Existence, now: number): Known | undefined {
	return state === "fresh" ? undefined : ({ state: "missing", missingAt: now } satisfies Existence);
}

/** What a "not there" answer means: find or create the person and send once more, or give up. */
export function notThere(request: PlannedRequest, status: number): Outcome {
	if (request.ifMissing) return { kind: "unknownPerson", known: request.ifMissing };
	return { kind: "rejected", reason: "unknown_person", status, known: {} };
}

/** What a missing person's lane needs first: to create them, or nothing if that may not be; undefined for all others. */
export function missingPlan(
	first: StoredEvent,
	{ state, missingAt = 0 }: Existence,
	createPeople: ProviderOptions["createPeople"],
	now: number,
	create: () => Plan,
): Plan | undefined {
	if (state !== "missing") return undefined;
	if (mayCreate(first, createPeople)) return create();
	return now - missingAt < missingMs ? { kind: "discard", settles: 1, reason: "unknown_person" } : undefined;
}

/** The plan for a person who is missing and whom nothing we have could create. */
export const cannotCreate: Plan = {
	kind: "refuse",
	reason: "unknown_person",
	message: "the person is not there, and cannot be created without an e-mail",
};
