import type { Event, Person } from "../../shared/event.ts";
import type { StoredEvent } from "../stored-event.ts";
import { ofFirstPerson, remember, type Sent } from "./attributes.ts";
import type { CommonOptions } from "./options.ts";
import type { Lane, Outcome, Plan, PlannedRequest } from "./provider.ts";

/**
 * Knowledge that a person is missing at a provider. Without any, a person is assumed to exist, as most do.
 *
 *     assumed to exist ── 404 ──▶ missing ── create ──▶ revived for that event ── 404 for the same event ──▶ given up
 *          ▲                        │                          └── any other answer ──▶ assumed to exist
 *          └─────── after 1 h ──────┴── creation forbidden: nothing is sent
 */
interface Existence {
	/** Time at which the person was found missing, ms. */
	missingAt?: number | undefined;
	/** Id of the event for which the person was created or found again. */
	revivedFor?: string;
}

/** Memory of a person whom the provider knows by their e-mail, or by an id of its own. */
export interface AddressedMemory extends Existence {
	/** Address that the rest of the memory belongs to: the e-mail or the id. */
	of?: string;
	/** Id that an event gave and that the provider did not know. */
	wrongId?: string | undefined;
	/** Attributes as last sent. */
	sent?: Sent;
}

/**
 * Chooses the address for a lane's first event: the provider's own id if the event gives one that is not known to be
 * wrong, else the e-mail. Returns the leading events of that person, the memory that belongs to the address (an empty
 * one if the given memory belongs to another address), and what is known if the provider finds nobody there.
 */
export function addressed<Memory extends AddressedMemory>(
	lane: Lane,
	idOf: (person: Person) => string | undefined,
	known: Memory,
	now: number,
) {
	const events = ofFirstPerson(lane, (person) => idOf(person) ?? person.email);
	const [first] = events;
	const { email } = first.event.person;
	const { wrongId } = known;
	const id = idOf(first.event.person);
	const given = email !== undefined && id === wrongId ? undefined : id;
	const address = given ?? email ?? "";
	const memory = known.of === address ? known : ({ of: address, wrongId } as Memory);
	const emailInstead = email === undefined ? undefined : { wrongId: given };
	const wasRevived = memory.revivedFor === first.event.id;
	const createNext = wasRevived ? undefined : { of: address, wrongId, missingAt: now };
	return { events, first, given, address, memory, missing: given === undefined ? createNext : emailInstead };
}

/** Memory of a person after the request that creates them, with these attributes, for an event. */
export function created(memory: AddressedMemory, { id }: Event, attributes: Record<string, unknown>, now: number) {
	return { ...memory, missingAt: undefined, revivedFor: id, sent: remember({}, attributes, now) };
}

/** Period for which a missing person is not asked for again, ms. */
const missingMs = 3_600_000;

/** Whether the person was found missing less than an hour ago. */
export const isMissing = ({ missingAt }: Existence, now: number): boolean =>
	missingAt !== undefined && now - missingAt < missingMs;

/** Outcome of an answer that the person does not exist: find or create them and send once more, or give up. */
export function notThere(request: PlannedRequest, status: number): Outcome {
	if (request.ifMissing) return { kind: "unknownPerson", known: request.ifMissing, status };
	return { kind: "rejected", reason: "unknown_person", status, known: {} };
}

/** Plan for the lane of a missing person: creates them, or discards the first event if the site forbids that. */
export function missingPlan({ trusted }: StoredEvent, { createPeople }: CommonOptions, create: () => Plan): Plan {
	// Guard (SECURITY.md): profile-creation
	const mayCreate = createPeople === "always" || (createPeople === "verified" && trusted);
	return mayCreate ? create() : { kind: "discard", settles: 1, reason: "unknown_person" };
}

/** Plan for a missing person who cannot be created from what is known of them. */
export const cannotCreate: Plan = {
	kind: "refuse",
	reason: "unknown_person",
	message: "the person does not exist there, and too little is known of them to create them",
};
