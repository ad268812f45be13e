import { idClaim, orderClaim, type StoredEvent } from "../stored-event.ts";
import { keyOf } from "./claim-key.ts";
import type { Lane } from "./lane.ts";

/** Stored keys of a purchase's claims, in hexadecimal. */
interface Purchase {
	id: string;
	order: string;
}

/** Returns the keys of the claims of the purchase in a body; undefined if it has another event. */
export function purchaseIn(site: string, person: string, body: string): Purchase | undefined {
	// Few bodies need to be parsed.
	if (!body.includes('"confirmation"')) return undefined;
	const { event } = JSON.parse(body) as StoredEvent;
	if (event.type !== "confirmation") return undefined;
	const hex = (claim: Parameters<typeof keyOf>[2]) => keyOf(site, person, claim).toString("hex");
	return { id: hex(idClaim(person, event.id)), order: hex(orderClaim(event.data.orderId)) };
}

/** Tells whether surely nothing was sent for a lane that is not leased, so that an event of it may still give way. */
export const isUntried = ({ attempts, unreadable, requests }: Lane): boolean => attempts + unreadable + requests === 0;
