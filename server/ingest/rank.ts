import type { Event } from "../../shared/event.ts";

/** Event types, the most valuable first. A purchase can be a person's last event; an update is followed by another. */
const typesByValue: readonly Event["type"][] = ["confirmation", "login", "track", "email_open", "update", "page"];

/** Ranks an event for its lane's turn, 0 first: trusted events before all others, then by the value of a type. */
export const rankOf = (type: Event["type"], trusted: boolean): number =>
	typesByValue.indexOf(type) + (trusted ? 0 : typesByValue.length);
