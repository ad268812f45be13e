import type { Claim } from "../outbox/outbox.ts";
import type { StoredEvent } from "../stored-event.ts";

const minute = 60_000;
const day = 86_400_000;

/**
 * Derives an event's claims: on its id for 31 days, on a purchase's orderId for 400 days, on opening an e-mail for 20
 * minutes. Each claim is the person's alone, so that nobody can use up another's id. A trusted purchase also claims its
 * orderId in the whole site.
 */
export function claimsOfEvent({ event, trusted, receivedAt }: StoredEvent, person: string): Claim[] {
	const at = receivedAt;
	const once = (key: string, reason: string, days: number) => ({ key, reason, at, since: 0, until: at + days * day });
	// The first 24 bits of a UUIDv7 are its time in steps of 4.7 hours, so that new claims lie side by side on disk:
	// https://www.rfc-editor.org/rfc/rfc9562#section-5.7
	const cluster = event.id[14] === "7" ? event.id.slice(0, 6) : "000000";
	// Guard (SECURITY.md): event-id-of-person
	const key = `id\n${person}\n${event.id}`;
	const claims: Claim[] = [{ key, cluster, reason: "duplicate", at, since: 0, until: at + 31 * day }];
	if (event.type === "confirmation") {
		const { orderId } = event.data;
		claims.push({ ...once(`order\n${orderId}`, "duplicate_order", 400), ofPerson: true });
		// Guard (SECURITY.md): order-id-of-site
		if (trusted) claims.push(once(`trusted order\n${orderId}`, "duplicate_order", 400));
	}
	if (event.type === "email_open") {
		const since = event.at;
		const until = since + 20 * minute;
		claims.push({ key: "open", ofPerson: true, reason: "email_open_too_soon", at: since, since, until });
	}
	return claims;
}
