import { keyOf } from "../outbox/claim-key.ts";
import type { Claim } from "../outbox/outbox.ts";
import type { StoredEvent } from "../stored-event.ts";

/** Minimum time between two opened e-mails of a person. */
const openMs = 20 * 60_000;
const day = 86_400_000;

/** Makes the part of a claim that names an event of a person by its id. */
function idClaim(person: string, id: string): Pick<Claim, "key" | "cluster"> {
	// The first 24 bits of a UUIDv7 are its time in steps of 4.7 hours, so that new claims lie side by side on disk:
	// https://www.rfc-editor.org/rfc/rfc9562#section-5.7
	const cluster = id[14] === "7" ? id.slice(0, 6) : "000000";
	// Guard (SECURITY.md): event-id-of-person
	const key = `id\n${person}\n${id}`;
	return { key, cluster };
}

/** Returns the stored key of an event's claim on its id, in hexadecimal: the outbox tells discarded events by it. */
export const eventKey = (site: string, person: string, id: string): string =>
	keyOf(site, person, idClaim(person, id)).toString("hex");

/**
 * Derives an event's claims: on its id for 31 days, on a purchase's orderId for 400 days, on opening an e-mail for 20
 * minutes. Each claim is the person's alone, so that nobody can use up another's id. A trusted purchase also claims its
 * orderId in the whole site.
 */
export function claimsOfEvent({ event, trusted, receivedAt }: StoredEvent, person: string): Claim[] {
	const at = receivedAt;
	const once = (key: string, reason: string, days: number) => ({ key, reason, at, since: 0, until: at + days * day });
	const claims: Claim[] = [{ ...idClaim(person, event.id), reason: "duplicate", at, since: 0, until: at + 31 * day }];
	if (event.type === "confirmation") {
		const { orderId } = event.data;
		claims.push({ ...once(`order\n${orderId}`, "duplicate_order", 400), ofPerson: true });
		// Guard (SECURITY.md): order-id-of-site
		if (trusted) claims.push(once(`trusted order\n${orderId}`, "duplicate_order", 400));
	}
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
