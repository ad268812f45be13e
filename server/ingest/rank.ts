import type { Event } from "../../shared/event.ts";
import type { StoredEvent } from "../stored-event.ts";

/** What is worth most comes first: a purchase can be a person's last event, an update will be followed by another. */
const classes: readonly Event["type"][] = ["confirmation", "login", "track", "email_open", "update", "page"];

/** An event's rank for its lane's turn: trusted events before all others, in each the classes in their order. */
export const rankOf = ({ event, trusted }: StoredEvent): number =>
	classes.indexOf(event.type) + (trusted ? 0 : classes.length);
