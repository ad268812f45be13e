import type { Term } from "./journal-row.ts";
import type { Discarded } from "./outbox.ts";

/** Claims of an event that were taken already. */
export interface Taken<Each> {
	/** The claim for which the whole event is discarded. */
	discards: Each | undefined;
	/** The claims for which one destination each gets no delivery. */
	drops: Each[];
	/** The claim that was taken from an untrusted purchase, and the only destinations that get a delivery. */
	replaced?: { by: Each; at: readonly string[] };
}

/** A discarded event or, with `destination`, a discarded delivery of it. */
export type Unwanted = Pick<Discarded, "key" | "reason" | "destination">;

/** Ways to ask for a claim, and to take it unless it is taken: `take` returns true if it was free. */
export interface Claiming<Each> {
	isTaken(claim: Each): boolean;
	take(claim: Each): boolean;
}

/** Ways to take claims from an untrusted purchase that waits unsent or has given its order back. */
export interface Replacing<Each> {
	/** Destinations of the event that takes them. */
	route: readonly string[];
	/** Tells whether an untrusted event has a claim. */
	isUntrusted(claim: Each): boolean;
	/** Takes a claim even if it is taken already. */
	set(claim: Each): void;
	/**
	 * Discards the untrusted purchase with a claim that waits at a destination. Returns true if it was discarded or had given
	 * the order back there.
	 */
	giveWay(claim: Each, destination: string): boolean;
}

/** Takes claims unless one of them is taken; returns that one. */
function takeGroup<Each extends Term>(claims: readonly Each[], { isTaken, take }: Claiming<Each>): Each | undefined {
	const [first, ...others] = claims;
	const isOne = others.length === 0 && !first?.isOnlyChecked;
	const taken = isOne ? undefined : claims.find(isTaken);
	return taken ?? claims.find((claim) => !claim.isOnlyChecked && !take(claim));
}

type Groups<Each> = ReadonlyMap<string | undefined, readonly Each[]>;

/**
 * Takes the claims of an event from an untrusted purchase: those of the whole event, and those of the destinations where
 * the purchase gives way.
 */
function replaceWaiting<Each extends Term>(
	groups: Groups<Each>,
	{ isTaken }: Claiming<Each>,
	{ route, isUntrusted, set, giveWay }: Replacing<Each>,
): Taken<Each>["replaced"] {
	const ofAll = groups.get(undefined) ?? [];
	const by = ofAll.find((claim) => claim.replaces && isTaken(claim));
	const isFree = (claim: Each) => !isTaken(claim) || (claim.ofPerson === true && isUntrusted(claim));
	if (!by || !isUntrusted(by) || !ofAll.every((claim) => claim === by || !isTaken(claim))) return undefined;
	const at = route.filter((name) => (groups.get(name) ?? []).every(isFree) && giveWay(by, name));
	if (at.length === 0) return undefined;
	for (const claim of [...ofAll, ...at.flatMap((name) => groups.get(name) ?? [])]) set(claim);
	return { by, at };
}

/**
 * Takes the claims of an event: first those of the whole event and then, unless it is discarded, those of destinations.
 * `replacing` is absent if no purchase may give way to the event.
 */
export function takeClaims<Each extends Term>(
	claims: readonly Each[],
	claiming: Claiming<Each>,
	replacing?: Replacing<Each>,
): Taken<Each> {
	const groups = Map.groupBy(claims, ({ destination }) => destination);
	const replaced = replacing && replaceWaiting(groups, claiming, replacing);
	if (replaced) return { discards: undefined, drops: [], replaced };
	const discards = takeGroup(groups.get(undefined) ?? [], claiming);
	groups.delete(undefined);
	const drops = discards ? [] : [...groups.values()].flatMap((group) => takeGroup(group, claiming) ?? []);
	return { discards, drops };
}

/** Lists what is discarded of an event for taken claims. `key` is the stored key of the event's first claim. */
export function unwantedBy(
	{ discards, drops, replaced }: Taken<Term>,
	key: string,
	route: readonly string[],
): Unwanted[] {
	if (!replaced)
		return (discards ? [discards] : drops).map(({ reason, destination }) => ({ key, reason, destination }));
	const { by, at } = replaced;
	const lost = route.filter((name) => !at.includes(name));
	return lost.map((destination) => ({ key, reason: by.reason, destination }));
}

/** Returns the destinations that an event still goes to. */
export const routeWithout = (route: readonly string[], unwanted: readonly Unwanted[] = []): readonly string[] =>
	unwanted.length === 0
		? route
		: route.filter((name) => !unwanted.some(({ destination = name }) => destination === name));
