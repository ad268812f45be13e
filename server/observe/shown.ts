import type { EventBrief } from "../../shared/admin.ts";
import type { Event, Person } from "../../shared/event.ts";
import type { PlannedRequest } from "../providers/provider.ts";

/** A person as whoever passes by may see them: `a***@example.com`, `u***`. */
export function masked({ email, userId = "" }: Person): string {
	const at = email?.lastIndexOf("@") ?? -1;
	const first = ([text = ""]: Iterable<string>) => `${text}***`;
	return email === undefined ? first(userId) : first(email) + email.slice(at);
}

export const brief = (event: Event): EventBrief => ({
	id: event.id,
	type: event.type,
	...(event.type === "track" && { name: event.name }),
});

/**
 * Method and path without what tells the person: only plain words stay, and none that addresses them. Ids of
 * accounts go too; who reads it knows theirs.
 */
export function shownRequest({ method, path }: PlannedRequest, { email, userId, ids }: Person): string {
	const addresses = new Set([email, userId, ...Object.values(ids ?? {}).map(String)]);
	const shown = path.map((segment) => (/^[a-z]+$/.test(segment) && !addresses.has(segment) ? segment : "…"));
	return `${method} /${shown.join("/")}`;
}
