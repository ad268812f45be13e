import type { Attempt, EventBrief, JourneyDelivery, Stats, Wait } from "../../../shared/admin.ts";
import { duration, locale, whenOf } from "./times.ts";

/** The tone of a text, shown as a colour. The text must say the same without it. */
export type Tone = "good" | "wait" | "bad" | "quiet";

/** A destination's name for people, by its name in the API: `crisp` is "Crisp". */
export type Titles = (destination: string) => string;

export const count = (number: number): string => number.toLocaleString(locale);
export const counted = (number: number, one: string, many = `${one}s`): string =>
	`${count(number)} ${number === 1 ? one : many}`;

const typeWords: Record<EventBrief["type"], string> = {
	track: "event",
	login: "Log-in",
	update: "Profile update",
	page: "Page view",
	confirmation: "Purchase",
	email_open: "E-mail opened",
};

/** Names an event. Only a `track` has a name of its own. */
export const eventWords = ({ type, name }: EventBrief): string => name ?? typeWords[type];

/** The outcomes of a request to a provider. */
export const outcomeWords: Record<Attempt["outcome"], [string, Tone]> = {
	delivered: ["Delivered", "good"],
	retry: ["Failed, will be tried again", "wait"],
	wait: ["Asked us to wait", "wait"],
	paused: ["Access refused, paused", "bad"],
	unknownPerson: ["Person not found yet", "wait"],
	rejected: ["Refused", "bad"],
};

export const stateWords = {
	running: ["Running", "good"],
	waiting: ["Waiting", "wait"],
	paused: ["Paused", "bad"],
} as const satisfies Record<string, [string, Tone]>;

export const deliveryWords: Record<JourneyDelivery["state"], [string, Tone]> = {
	delivered: ["Delivered", "good"],
	waiting: ["Waiting", "wait"],
	sending: ["Being sent", "wait"],
	dead: ["Not delivered", "bad"],
	skipped: ["Not sent", "quiet"],
	past: ["Outcome unknown", "quiet"],
};

/** Words for the proxy's reasons, to follow "because". Other reasons are a provider's own words. */
const reasons: Record<string, string> = {
	duplicate: "the same event had been received before",
	duplicate_order: "this order had been recorded before",
	email_open_too_soon: "the e-mail was opened again within 20 minutes",
	not_addressable: "the person has no e-mail or user id that the provider could use",
	too_many_waiting: "too many other events of the person were waiting",
	unknown_person: "the provider did not find the person",
	forgotten: "the person was forgotten",
	store_full: "the store was full",
	batch_discarded: "its batch had been set aside and was discarded",
	expired: "the event had waited too long",
	no_progress: "the event had taken too many requests",
	unreadable: "the provider’s answers could not be read",
	unbuildable: "the person’s address does not fit into a request",
	internal_error: "something went wrong in the proxy; its log has the details",
	timeout: "the provider did not answer within 10 seconds",
	network: "the provider could not be reached",
	stopped: "the proxy was stopped",
	rate_limited: "the provider received too many requests",
};

/** Writes a reason as a part of a sentence. */
export function reasonWords(reason: string): string {
	const status = /^http_(\d+)$/.exec(reason)?.[1];
	return status === undefined ? (reasons[reason] ?? `“${reason}”`) : `the provider answered ${status}`;
}

/** Words for what a destination's events wait for. Empty where its state says it. */
const causes: Record<Wait["for"], string> = {
	turn: "",
	retry: "All wait for another attempt: ",
	budget: "They wait for the budget, which refills evenly: ",
	reserve: "The rest of the budget is kept for the backend’s events: ",
	limit: "",
	pause: "",
	operator: "",
};

/** Time from which it is worth telling when a backlog will be done, ms. */
const shortMs = 60_000;

/** Tells when the next request goes and when all are sent. Undefined if an operator must act, or it is a matter of moments. */
export function waitWords(wait: Wait | undefined, now: number): string | undefined {
	if (wait?.nextAt === undefined) return undefined;
	if (wait.doneAt === undefined) return `Next request at ${whenOf(wait.nextAt, now)}.`;
	const done = `at this rate done by ${whenOf(wait.doneAt, now)}.`;
	const cause = causes[wait.for];
	if (wait.nextAt > now) return `${cause}${cause ? "next" : "Next"} request at ${whenOf(wait.nextAt, now)}, ${done}`;
	return wait.doneAt - now < shortMs ? undefined : `Requests are being sent, ${done}`;
}

/** Number of events, and when the first and the last of them happened, ms since the epoch. */
export interface Ages {
	count: number;
	oldest: number;
	newest: number;
	/** True if there are more than were counted. */
	isAtLeast?: boolean;
}

/** Tells how old events are, in a sentence. */
export function agesWords({ count, oldest, newest, isAtLeast }: Ages, now: number): string {
	const [longest, shortest] = [duration(now - oldest), duration(now - newest)];
	return `${isAtLeast ? "At least " : ""}${counted(count, "event")} happened ${longest === shortest ? "" : `between ${shortest} and `}${longest} ago.`;
}

/** Tells how many batches were set aside; undefined for none. */
export const stuckWords = (stuck: number): string | undefined =>
	stuck > 0
		? `${counted(stuck, "batch", "batches")} of events could not be sorted; the log says why. Each start of the proxy tries again.`
		: undefined;

/** Tells that the store is full; undefined while it has room. */
export const fullWords = (room: Stats["room"]): string | undefined =>
	room?.isFull
		? "The store is full: events of unverified visitors are refused until others are delivered, or the store may be larger (EVENTFERRY_MAX_STORE_BYTES)."
		: undefined;

/** Tells that a newer eventferry uses the store; undefined unless one does. */
export const outdatedWords = (isOutdated: Stats["isOutdated"]): string | undefined =>
	isOutdated
		? "A newer eventferry has changed the store: this process takes in and delivers nothing. What it has is kept, and the newer ones deliver it. Replace it by the newer version."
		: undefined;

const errors: Record<string, string> = {
	store_unavailable: "The event store does not answer now. No accepted event is lost.",
	outcome_unknown: "The event store did not say whether it was done. No accepted event is lost.",
	rate_limited: "Too many requests from this address.",
	invalid_admin_token: "The admin token is no longer accepted.",
};

/** Explains a failed request of the page. */
export const errorWords = (code: string): string =>
	errors[code] ?? (code === "unreachable" ? "The proxy does not answer." : `The proxy refused the request (${code}).`);
