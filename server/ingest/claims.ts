import type { Claim } from "../outbox/outbox.ts";
import type { StoredEvent } from "../stored-event.ts";

const minute = 60_000;
const day = 86_400_000;

/**
 * What an event may be only once, each within a person, so that an id that is used for one person
 * suppresses nothing of another's: its id for 31 days, a purchase's orderId for 400 days (among trusted
 * ones in the whole site), an opened e-mail for the 20 minutes after the last accepted one.
 */
export function claimsOfEvent({ event, trusted, receivedAt }: StoredEvent, person: string): Claim[] {
	const at = receivedAt;
	const once = (key: string, reason: string, days: number) => ({ key, reason, at, since: 0, until: at + days * day });
	// A UUIDv7 starts with its time, here in steps of five hours, so that what is new stays together on disk.
	const cluster = event.id[14] === "7" ? event.id.slice(0, 6) : "000000";
	const key = `id\n${person}\n${event.id}`;
	const claims: Claim[] = [{ key, cluster, reason: "duplicate", at, since: 0, until: at + 31 * day }];
	if (event.type === "confirmation") {
		const { orderId } = event.data;
		claims.push({ ...once(`order\n${orderId}`, "duplicate_order", 400), ofPerson: true });
		if (trusted) claims.push(once(`trusted order\n${orderId}`, "duplicate_order", 400));
	}
	if (event.type === "email_open") {
		const opened = event.at;
		claims.push({
			key: "open",
			ofPerson: true,
			reason: "email_open_too_soon",
			at: opened,
			since: opened,
			until: opened + 20 * minute,
		});
	}
	return claims;
}
