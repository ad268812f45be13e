import type { Event, Person } from "../../shared/event.ts";
import type { StoredEvent } from "../stored-event.ts";
import { ofFirstPerson, remember } from "./attributes.ts";
import type { CommonOptions } from "./options.ts";
import type { Lane, Outcome, Plan, PlannedRequest } from "./provider.ts";
import type { AttributesKnown } from "./refused-names.ts";

/**
 * Knowledge that a person is missing at a provider. Without it a person is assumed to exist, as most do.
 *
 *     assumed to exist ── 404 ──▶ missing ── create ──▶ revived for that event ── 404 for the same event ──▶ given up
 *          ▲                        │                          └── any other answer ──▶ assumed to exist
 *          └─────── after 1 h ──────┴── creation forbidden, or no event worth a profile yet: nothing is sent
 */
interface Existence {
	/** Time at which the person was found missing, ms. */
	missingAt?: number | undefined;
	/** Id of the event for which the person was created or found again. */
	revivedFor?: string;
}

/** Knowledge of a person whom the provider's API addresses by e-mail or by the provider's own id. */
export interface AddressedKnown extends Existence, AttributesKnown {
	/** The e-mail or the id that the other fields are about. */
	of?: string;
	/** Id that an event gave and that the provider does not have. */
	wrongId?: string | undefined;
}

/**
 * Chooses the address for a lane's first event: the provider's own id if the event gives one that is not known to be
 * wrong, else the e-mail. Returns the leading events of that person, the chosen id, the knowledge about the address
 * (empty if the stored one is about another), and as `ifMissing` the knowledge to store if nobody has the address.
 */
export function chooseAddress<Known extends AddressedKnown>(
	lane: Lane,
	idOf: (person: Person) => string | undefined,
	stored: Known,
	now: number,
) {
	const events = ofFirstPerson(lane, (person) => idOf(person) ?? person.email);
	const [first] = events;
	const { email } = first.event.person;
	const { wrongId } = stored;
	const given = idOf(first.event.person);
	const id = email !== undefined && given === wrongId ? undefined : given;
	const address = id ?? email ?? "";
	const known = stored.of === address ? stored : ({ of: address, wrongId } as Known);
	const emailInstead = email === undefined ? undefined : { wrongId: id };
	const wasRevived = known.revivedFor === first.event.id;
	const createNext = wasRevived ? undefined : { of: address, wrongId, missingAt: now };
	return { events, first, id, address, known, ifMissing: id === undefined ? createNext : emailInstead };
}

/** Knowledge of a person who was created with these attributes for an event. */
export function ifCreated(known: AddressedKnown, { id }: Event, attributes: Record<string, unknown>, now: number) {
	return { ...known, missingAt: undefined, revivedFor: id, sent: remember({}, attributes, now) };
}

/** Time in ms after which a missing person is assumed to exist again. */
const missingMs = 3_600_000;

/** Tells whether the person was found missing less than an hour ago. */
export const isMissing = ({ missingAt }: Existence, now: number): boolean =>
	missingAt !== undefined && now - missingAt < missingMs;

/** Outcome if an answer says that the person does not exist: look them up or create them, or give up. */
export function missingOutcome(request: PlannedRequest, status: number): Outcome {
	if (request.ifMissing) return { kind: "unknownPerson", known: request.ifMissing, status };
	return { kind: "rejected", reason: "unknown_person", status, known: {} };
}

/** Tells whether the site allows an event to create a profile. */
// Guard (SECURITY.md): profile-creation
export const mayCreate = (
	{ trusted }: StoredEvent,
	{ createPeople }: CommonOptions,
	isWorthProfile: boolean,
): boolean =>
	createPeople === "always" ||
	(createPeople === "verified" && trusted) ||
	(Array.isArray(createPeople) && isWorthProfile);

/**
 * Plans for the lane of a person who was found missing at `missingAt`: creates them, or discards the first event if the
 * site forbids creation. Where a list says which events are worth a profile, the events wait for one, and after an hour
 * the person is looked for again.
 */
export function missingPlan(
	first: StoredEvent,
	options: CommonOptions,
	isWorthProfile: boolean,
	missingAt: number,
	create: () => Plan,
): Plan {
	if (mayCreate(first, options, isWorthProfile)) return create();
	if (!Array.isArray(options.createPeople)) return { kind: "discard", settles: 1, reason: "unknown_person" };
	const plan = create();
	return plan.kind === "refuse" ? plan : { kind: "await", until: missingAt + missingMs };
}

/** Plan for a missing person who cannot be created. */
export const cannotCreate: Plan = {
	kind: "refuse",
	reason: "unknown_person",
	message: "the provider does not have the person, and they cannot be created from the event",
};
