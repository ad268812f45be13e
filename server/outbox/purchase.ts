import { idClaim, orderClaim, type StoredEvent } from "../stored-event.ts";
import type { Claim } from "./batch.ts";
import { keyOf } from "./claim-key.ts";
import type { Lane } from "./lane.ts";

/** Stored keys of a purchase's claims, in hexadecimal, and the time at which it was received, ms. */
interface Purchase extends Order {
	id: string;
}

/** Key of a purchase's claim on its order, in hexadecimal, and a time, ms. */
export interface Order {
	order: string;
	at: number;
}

/** Returns the keys of the claims of the purchase in a body; undefined if it has another event. */
export function purchaseIn(site: string, person: string, body: string): Purchase | undefined {
	// Few bodies need to be parsed.
	if (!body.includes('"confirmation"')) return undefined;
	const { event, receivedAt: at } = JSON.parse(body) as StoredEvent;
	if (event.type !== "confirmation") return undefined;
	const hex = (claim: Parameters<typeof keyOf>[2]) => keyOf(site, person, claim).toString("hex");
	return { id: hex(idClaim(person, event.id)), order: hex(orderClaim(event.data.orderId)), at };
}

/** Term of the claim that an order is given back, ms: 1 ms less than that of the order's claim, so that it ends first. */
const givenBackMs = 400 * 86_400_000 - 1;

/**
 * Makes the claim that marks an order as given back at a destination: the untrusted purchase that took the order is not
 * delivered there, so a trusted one may be. `order` is the hexadecimal key of the order's claim. `at` is the time of
 * receipt; for a lookup, that of the event that asks.
 */
export const givenBack = ({ order, at }: Order, destination: string): Claim => ({
	...{ key: `order given back at ${destination}\n${order}`, ofPerson: true, reason: "given_back" },
	...{ at, since: 0, until: at + givenBackMs },
});

/** A delivery that has ended discarded. */
interface Discarded {
	trusted: boolean;
	/** Number of failed attempts of its lane and of its entry: a request may have had several of the lane's events. */
	attempts: number;
	isReplay: boolean;
}

/**
 * Tells whether a discarded purchase gives its order back: no attempt of it is known. A crash before the answer leaves no
 * trace.
 */
export const givesBack = ({ trusted, attempts, isReplay }: Discarded): boolean =>
	!trusted && attempts === 0 && !isReplay;

/** Tells whether surely nothing was sent for a lane that is not leased, so that an event of it may still give way. */
export const isUntried = ({ attempts, unreadable, requests }: Lane): boolean => attempts + unreadable + requests === 0;
