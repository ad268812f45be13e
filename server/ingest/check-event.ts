import { type Event, eventSchema, limits, type Person } from "../../shared/event.ts";
import { plainIssue } from "../../shared/plain-issue.ts";
import type { EventCode, Rejection } from "../../shared/wire.ts";
import { isLabelName, labelNames } from "../providers/labels.ts";
import { normaliseEmail, type StoredEvent, setsAttributes } from "../stored-event.ts";
import type { VerifiedIdentity } from "./identity-token.ts";
import { areAttributes, isForbidden, isTooLarge, parseEvent } from "./parse-event.ts";
import { isObject, isTidy, tidyEvent } from "./tidy-event.ts";

/** The sender of an event, as far as the proxy knows. */
export interface Sender {
	/** True for the site's backend, which may name anybody, give providers' ids, and set any attribute. */
	isBackend: boolean;
	/** True for the open pixel and reports, which may name anybody and send `email_open`, but are not trusted. */
	isInbound?: boolean;
	/** Identities of the batch's valid tokens, by token. Undefined if the site needs no token. */
	identities?: ReadonlyMap<string, VerifiedIdentity> | undefined;
	/** Correction of capture times, ms. 0 if the sender's clock is right. */
	clockOffset: number;
	/** Attributes that a browser may set. Undefined: all but labels, which start automations. */
	attributes: string[] | undefined;
	now: number;
}

export type Checked = { stored: StoredEvent } | { rejection: Rejection };

/** Finds a forbidden key, too many levels or too large a number in a parsed value. Undefined if there is none. */
function structuralFlaw(value: unknown, levels: number): string | undefined {
	if (isTooLarge(value)) return "a number is too large";
	if (typeof value !== "object" || value === null) return undefined;
	// Guard (SECURITY.md): data-depth
	if (levels === 0) return `data is more than ${limits.dataDepth} levels deep`;
	for (const [key, inner] of Object.entries(value)) {
		if (isForbidden(key)) return `the key ${key} is not allowed`;
		const flaw = structuralFlaw(inner, levels - 1);
		if (flaw) return flaw;
	}
	return undefined;
}

const idOf = (raw: unknown): string | null =>
	isObject(raw) && typeof raw.id === "string" ? raw.id.slice(0, 100) : null;

/** Removes attributes that a page may not set, then adds the token's, which take precedence. Changes the event. */
function withAttributes(event: Event, allowed: string[] | undefined, signed: VerifiedIdentity["attributes"]): void {
	if (event.type !== "login" && event.type !== "update") return;
	// Guard (SECURITY.md): allowed-attributes
	if (allowed && event.data) {
		event.data = Object.fromEntries(Object.entries(event.data).filter(([name]) => allowed.includes(name)));
	}
	// Guard (SECURITY.md): page-labels
	if (!allowed && labelNames.some((name) => event.data?.[name] !== undefined)) {
		event.data = Object.fromEntries(Object.entries(event.data ?? {}).filter(([name]) => !isLabelName(name)));
	}
	if (event.type === "login" && signed) event.data = { ...event.data, ...signed };
}

/** Finds the verified identity of a person, if one is needed. The page may only repeat what its token names. */
function identified(
	{ email, userId, token }: Person,
	identities: Sender["identities"],
	at: number,
): { identity: VerifiedIdentity | undefined } | { code: EventCode; flaw: string } {
	if (!identities) {
		if (email !== undefined || userId !== undefined) return { identity: undefined };
		return { code: "identity_required", flaw: "person: an email or a userId is needed" };
	}
	if (token === undefined) return { code: "identity_required", flaw: "person: a token is needed, see signIdentity" };
	const identity = identities.get(token);
	if (!identity)
		return { code: "invalid_identity_token", flaw: "person.token: has no valid signature of your backend" };
	// Guard (SECURITY.md): identity-of-token
	const isOther =
		(email !== undefined && identity.email !== undefined && normaliseEmail(email) !== normaliseEmail(identity.email)) ||
		(userId !== undefined && identity.userId !== undefined && userId !== identity.userId);
	if (isOther) return { code: "invalid_identity_token", flaw: "person: contradicts its token" };
	// Guard (SECURITY.md): token-expiry
	if (at >= identity.expiresAt)
		return { code: "identity_token_expired", flaw: "person.token: had expired when the event was captured" };
	return { identity };
}

/** Checks an event that `parseEvent` has refused, to say what is wrong with it. */
function explain(raw: unknown): { event: Event } | { flaw: string } {
	const flaw = structuralFlaw(raw, limits.dataDepth + 1);
	if (flaw) return { flaw };
	// Says this here, as an issue of the schema would repeat the long name.
	if (isObject(raw) && setsAttributes(raw) && isObject(raw.data) && !areAttributes(raw.data))
		return { flaw: `data: the name of an attribute has more than ${limits.attributeNameLength} characters` };
	// A missing person is no error of the shape: it has its own code, identity_required.
	const result = eventSchema.safeParse(isObject(raw) ? { person: {}, ...raw } : raw, { error: plainIssue });
	if (result.success) return { event: result.data };
	const [issue] = result.error.issues;
	return { flaw: `${issue?.path.join(".") || "the event"}: ${issue?.message}` };
}

/**
 * Checks one event of a batch: shape, size, age, and the sender's rights. Never throws. An accepted event has a
 * corrected capture time that is not in the future, known fields only, and no token.
 */
export function checkEvent(raw: unknown, sender: Sender): Checked {
	const { isBackend, isInbound = false, identities, clockOffset, attributes, now } = sender;
	const reject = (code: EventCode, message: string): Checked => ({ rejection: { id: idOf(raw), code, message } });

	let parsed = isTidy(raw) ? parseEvent(raw) : undefined;
	const tidy = parsed ? raw : tidyEvent(raw);
	parsed ??= parseEvent(tidy);
	const read = parsed ?? explain(tidy);
	if ("flaw" in read) return reject("invalid_event", read.flaw);
	const { event } = read;
	const mayBeTooLarge = (parsed?.dataBytesAtMost ?? Number.POSITIVE_INFINITY) > limits.dataBytes;
	if (event.data && mayBeTooLarge && Buffer.byteLength(JSON.stringify(event.data)) > limits.dataBytes) {
		return reject("event_too_large", `data is larger than ${limits.dataBytes} bytes as JSON`);
	}
	// Guard (SECURITY.md): email-open-sender
	if (event.type === "email_open" && !isBackend && !isInbound)
		return reject("invalid_event", "only the backend may send email_open");

	const at = Math.min(Math.round(event.at + clockOffset), now);
	if (at < now - limits.ageMs) return reject("invalid_event", "at: must not be more than 30 days ago");

	const { anonymousId, ids } = event.person;
	const found = identified(event.person, identities, at);
	if ("flaw" in found) return reject(found.code, found.flaw);
	const { identity } = found;
	// A verified identity names the person alone: names of the page that the token lacks are ignored.
	// Guard (SECURITY.md): names-of-token
	const { email, userId } = identity ?? event.person;
	// Nobody else holds the parsed event, so it is changed in place: copies would cost time.
	event.at = at;
	// Guard (SECURITY.md): person-fields
	event.person = {};
	if (email !== undefined) event.person.email = normaliseEmail(email);
	if (userId !== undefined) event.person.userId = userId;
	if (anonymousId !== undefined) event.person.anonymousId = anonymousId;
	if (isBackend) {
		if (ids) event.person.ids = ids;
		return { stored: { event, trusted: true, signed: true, receivedAt: now } };
	}
	withAttributes(event, isInbound ? undefined : attributes, identity?.attributes);
	const stored: StoredEvent = { event, trusted: identity !== undefined, receivedAt: now };
	if (event.type === "login" && identity?.attributes) stored.signed = Object.keys(identity.attributes);
	return { stored };
}
