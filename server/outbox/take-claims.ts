import type { Term } from "./journal-row.ts";
import type { Discarded } from "./outbox.ts";

/** Claims of an event that were taken already. */
export interface Taken<Each> {
	/** The claim for which the whole event is discarded. */
	discards: Each | undefined;
	/** The claims for which one destination each gets no delivery. */
	drops: Each[];
}

/** A discarded event or, with `destination`, a discarded delivery of it. */
export type Unwanted = Pick<Discarded, "key" | "reason" | "destination">;

/** Ways to ask for a claim, and to take it unless it is taken: `take` returns true if it was free. */
export interface Claiming<Each> {
	isTaken(claim: Each): boolean;
	take(claim: Each): boolean;
}

/** Takes claims unless one of them is taken; returns that one. */
function takeGroup<Each extends Term>(claims: readonly Each[], { isTaken, take }: Claiming<Each>): Each | undefined {
	const [first, ...others] = claims;
	const isOne = others.length === 0 && !first?.isOnlyChecked;
	const taken = isOne ? undefined : claims.find(isTaken);
	return taken ?? claims.find((claim) => !claim.isOnlyChecked && !take(claim));
}

/** Takes the claims of an event: first those of the whole event and then, unless it is discarded, those of destinations. */
export function takeClaims<Each extends Term>(claims: readonly Each[], claiming: Claiming<Each>): Taken<Each> {
	const groups = Map.groupBy(claims, ({ destination }) => destination);
	const discards = takeGroup(groups.get(undefined) ?? [], claiming);
	groups.delete(undefined);
	const drops = discards ? [] : [...groups.values()].flatMap((group) => takeGroup(group, claiming) ?? []);
	return { discards, drops };
}

/** Lists what is discarded for taken claims. `key` is the stored key of the event's first claim. */
export const unwantedBy = ({ discards, drops }: Taken<Term>, key: string): Unwanted[] =>
	(discards ? [discards] : drops).map(({ reason, destination }) => ({ key, reason, destination }));

/** Returns the destinations that an event still goes to. */
export const routeWithout = (route: readonly string[], unwanted: readonly Unwanted[] = []): readonly string[] =>
	unwanted.length === 0
		? route
		: route.filter((name) => !unwanted.some(({ destination = name }) => destination === name));
