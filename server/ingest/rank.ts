import type { Event } from "../../shared/event.ts";
import type { StoredEvent } from "../stored-event.ts";

/** Types by worth: a purchase can be a person's last event, an update is followed by the next one. */
const classes: readonly Event["type"][] = ["confirmation", "login", "track", "email_open", "update", "page"];

/** Ranks an event for its lane's turn, 0 first: trusted events before all others, then by the worth of the type. */
export const rankOf = ({ event, trusted }: StoredEvent): number =>
	classes.indexOf(event.type) + (trusted ? 0 : classes.length);
