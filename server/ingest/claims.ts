import { keyOf } from "../outbox/claim-key.ts";
import type { Claim } from "../outbox/outbox.ts";
import { givenBack } from "../outbox/purchase.ts";
import { idClaim, orderClaim, type StoredEvent } from "../stored-event.ts";

/** Minimum time between two opened e-mails of a person. */
const openMs = 20 * 60_000;
const day = 86_400_000;

/** Returns the stored key of an event's claim on its id, in hexadecimal: the outbox tells discarded events by it. */
export const eventKey = (site: string, person: string, id: string): string =>
	keyOf(site, person, idClaim(person, id)).toString("hex");

/** A purchase at one destination, which a rule may make of another event. */
export interface OrderAt {
	destination: string;
	orderId: string | number;
}
type OrderOf = Pick<OrderAt, "orderId"> & Partial<OrderAt>;

/**
 * Makes the claims of a purchase, at one destination or everywhere. A trusted one replaces an untrusted one that waits or
 * was discarded, so that what a page says of an order, first or falsely, stands only until the backend tells of it.
 */
function orderClaims({ orderId, destination }: OrderOf, { trusted, receivedAt: at }: StoredEvent): Claim[] {
	const where = destination === undefined ? "" : ` at ${destination}`;
	const once = { reason: "duplicate_order", at, since: 0, until: at + 400 * day, ...(destination && { destination }) };
	// Guard (SECURITY.md): order-of-backend
	const replacing = destination === undefined && (trusted ? { replaces: true } : { isReplaceable: true });
	const claims: Claim[] = [{ ...once, ...orderClaim(orderId, where), ...replacing }];
	// Guard (SECURITY.md): order-id-of-site
	if (trusted) claims.push({ ...once, key: `trusted order${where}\n${orderId}` });
	return claims;
}

/**
 * Derives an event's claims: on its id for 31 days, on a purchase's orderId for 400 days, on opening an e-mail for 20
 * minutes. Each claim is the person's alone, so that nobody can use up another's id. A trusted purchase also claims its
 * orderId in the whole site. `orders` are claimed at their destinations only.
 */
export function claimsOfEvent(stored: StoredEvent, person: string, orders: readonly OrderAt[] = []): Claim[] {
	const { event, receivedAt: at } = stored;
	const claims: Claim[] = [{ ...idClaim(person, event.id), reason: "duplicate", at, since: 0, until: at + 31 * day }];
	if (event.type === "confirmation") claims.push(...orderClaims({ orderId: event.data.orderId }, stored));
	for (const order of orders) claims.push(...orderClaims(order, stored));
	if (event.type === "email_open") {
		const { at } = event;
		const slot = Math.floor(at / openMs);
		const open = { ofPerson: true, reason: "email_open_too_soon", at, since: at - openMs + 1, until: at + openMs };
		// Opens less than 20 minutes apart, which need not arrive in order, are in the same slot or in neighbouring ones. So
		// a slot has one open at most, and its claim is never replaced by that of another open.
		claims.push({ ...open, key: `open ${slot}` });
		for (const near of [slot - 1, slot + 1]) claims.push({ ...open, key: `open ${near}`, isOnlyChecked: true });
	}
	return claims;
}

/** Makes the claims that give the order of an untrusted purchase back at destinations skipped by routing. */
export function claimsGivenBack(
	{ event, trusted, receivedAt: at }: StoredEvent,
	{ site, person, skipped }: { site: string; person: string; skipped: readonly { destination: string }[] },
): Claim[] {
	if (trusted || event.type !== "confirmation" || skipped.length === 0) return [];
	const order = keyOf(site, person, orderClaim(event.data.orderId)).toString("hex");
	return skipped.map(({ destination }) => ({ ...givenBack({ order, at }, destination), destination }));
}
