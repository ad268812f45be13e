import { type Event, eventSchema, limits } from "../../shared/event.ts";
import type { EventCode, Rejection } from "../../shared/wire.ts";
import { normaliseEmail } from "../stored-event.ts";
import { guardEvent, isForbidden } from "./guard.ts";

/** What the proxy knows of the sender of an event. */
export interface Sender {
	/** The backend: may name providers' ids, report opened e-mails and set any attribute. */
	trusted: boolean;
	/** Added to capture times, ms; 0 where the sender's clock is right. */
	clockOffset: number;
	/** The only attributes a browser may set; undefined for all. */
	attributes: string[] | undefined;
	now: number;
}

export type Checked = { event: Event } | { rejection: Rejection };

/** Why a parsed JSON value may not be taken: a key that could reach a prototype, or more levels than allowed. */
function structuralFlaw(value: unknown, levels: number): string | undefined {
	if (typeof value !== "object" || value === null) return undefined;
	if (levels === 0) return `data is more than ${limits.dataDepth} levels deep`;
	for (const [key, inner] of Object.entries(value)) {
		if (isForbidden(key)) return `the key ${key} is not allowed`;
		const flaw = structuralFlaw(inner, levels - 1);
		if (flaw) return flaw;
	}
	return undefined;
}

const idOf = (raw: unknown): string | null =>
	typeof raw === "object" && raw !== null && "id" in raw && typeof raw.id === "string" ? raw.id.slice(0, 100) : null;

/** Keeps the attributes a browser may set. */
function narrowed(event: Event, attributes: string[] | undefined): Event {
	if (!attributes || !event.data || (event.type !== "login" && event.type !== "update")) return event;
	const data = Object.fromEntries(Object.entries(event.data).filter(([name]) => attributes.includes(name)));
	return { ...event, data };
}

/** The slow way, for what the guard refuses: says what is wrong with it. */
function explain(raw: unknown): { event: Event } | { flaw: string } {
	const flaw = structuralFlaw(raw, limits.dataDepth + 1);
	if (flaw) return { flaw };
	const parsed = eventSchema.safeParse(raw);
	if (parsed.success) return { event: parsed.data };
	const [issue] = parsed.error.issues;
	return { flaw: `${issue?.path.join(".") || "the event"}: ${issue?.message}` };
}

/**
 * Checks one event of a batch: shape, size, age, and what its sender may say. Never throws; the
 * returned event has its capture time corrected, never lies in the future, and holds known fields only.
 */
export function checkEvent(raw: unknown, { trusted, clockOffset, attributes, now }: Sender): Checked {
	const reject = (code: EventCode, message: string): Checked => ({ rejection: { id: idOf(raw), code, message } });

	const guarded = guardEvent(raw);
	const read = guarded ?? explain(raw);
	if ("flaw" in read) return reject("invalid_event", read.flaw);
	const { event } = read;
	const mayBeTooLarge = (guarded?.dataBytesAtMost ?? Number.POSITIVE_INFINITY) > limits.dataBytes;
	if (event.data && mayBeTooLarge && Buffer.byteLength(JSON.stringify(event.data)) > limits.dataBytes) {
		return reject("event_too_large", `data is larger than ${limits.dataBytes} bytes as JSON`);
	}
	if (event.type === "email_open" && !trusted) return reject("invalid_event", "email_open comes from the backend only");

	const at = Math.min(Math.round(event.at + clockOffset), now);
	if (at < now - limits.ageMs) return reject("invalid_event", "at: is more than 30 days ago");

	const { email, userId, anonymousId, ids } = event.person;
	if (email === undefined && userId === undefined) {
		return reject("identity_required", "person: an email or a userId is needed");
	}
	// What was read is ours alone: changed in place, as this is done for every event.
	event.at = at;
	event.person = {};
	if (email !== undefined) event.person.email = normaliseEmail(email);
	if (userId !== undefined) event.person.userId = userId;
	if (anonymousId !== undefined) event.person.anonymousId = anonymousId;
	if (ids && trusted) event.person.ids = ids;
	return { event: narrowed(event, trusted ? undefined : attributes) };
}
