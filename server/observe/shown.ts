import type { EventBrief } from "../../shared/admin.ts";
import type { Event, Person } from "../../shared/event.ts";
import type { PlannedRequest } from "../providers/provider.ts";

/** Names a person by their key: the e-mail, or the userId. */
export const nameOf = (key: string): string => key.replace(/^(email|userId):/, "");

/** Shortens an event to its id, type and name. */
export const brief = (event: Event): EventBrief => ({
	id: event.id,
	type: event.type,
	name: event.type === "track" ? event.name : undefined,
});

/**
 * Shows method and path of a request without personal data and ids of accounts. A segment stays if it is a plain word
 * that does not name the person.
 */
export function shownRequest({ method, path }: PlannedRequest, { email, userId, ids }: Person): string {
	const names = new Set([email, userId, ...Object.values(ids ?? {}).map(String)]);
	const shown = path.map((segment) => (/^[a-z]+$/.test(segment) && !names.has(segment) ? segment : "…"));
	return `${method} /${shown.join("/")}`;
}
