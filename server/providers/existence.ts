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
 * Whether a person is known to be missing. Otherwise they are assumed to be there, as most are.
 *
 *     assumed there ── 404 ──▶ missing ── create ──▶ revived for that event ── 404 for the same event ──▶ given up
 *          ▲                     │                        └── anything else ──▶ as if never missing
 *          └───── after 1 h ─────┴── may not be created: nothing is sent
 */
export interface Existence {
	/** Since when missing, ms. */
	missingAt?: number;
	/** The event for which they were created or found again. */
	revivedFor?: string;
}

/** What is known of a person who has an e-mail, and an id of the provider's that may be given instead. */
export interface AddressedMemory extends Existence {
	/** The address all this is known of. */
	of?: string;
	/** An id that was given and led nowhere. */
	wrongId?: string | undefined;
}

/**
 * Whom an event goes to: the given id unless that has led nowhere, else the e-mail; what is known of that
 * very address, as what is known of another says nothing of it; and what is known if nobody is there.
 */
export function addressed<Memory extends AddressedMemory>(
	first: StoredEvent,
	id: string | undefined,
	known: Memory,
	now: number,
) {
	const { email } = first.event.person;
	const { wrongId } = known;
	const given = email !== undefined && id === wrongId ? undefined : id;
	const address = given ?? email ?? "";
	const memory = known.of === address ? known : ({ of: address, wrongId } as Memory);
	const emailInstead = email === undefined ? undefined : { wrongId: given };
	const missing = given === undefined ? ifMissing(memory, first, now, { of: address, wrongId }) : emailInstead;
	return { given, address, memory, missing };
}

/** How long a person is taken as missing without asking again. */
const missingMs = 3_600_000;

/** Whether the person was found missing, not too long ago. */
export const isMissing = ({ missingAt }: Existence, now: number): boolean =>
	missingAt !== undefined && now - missingAt < missingMs;

/**
 * What is known if a request for an event finds its person missing, on top of `kept`; undefined where that
 * was so before for this event: then it is given up.
 */
function ifMissing<Kept extends Known>({ revivedFor }: Existence, { event }: StoredEvent, now: number, kept?: Kept) {
	return revivedFor === event.id ? undefined : { ...kept, missingAt: now };
}

/** What a "not there" answer means: find or create the person and send once more, or give up. */
export function notThere(request: PlannedRequest, status: number): Outcome {
	if (request.ifMissing) return { kind: "unknownPerson", known: request.ifMissing, status };
	return { kind: "rejected", reason: "unknown_person", status, known: {} };
}

/** What a missing person's lane needs first: to create them, or nothing if that may not be. */
export function missingPlan(
	first: StoredEvent,
	createPeople: ProviderOptions["createPeople"],
	create: () => Plan,
): Plan {
	return mayCreate(first, createPeople) ? create() : { kind: "discard", settles: 1, reason: "unknown_person" };
}

/** The plan for a person who is missing and whom nothing we have could create. */
export const cannotCreate: Plan = {
	kind: "refuse",
	reason: "unknown_person",
	message: "the person is not there, and cannot be created from what is known of them",
};
