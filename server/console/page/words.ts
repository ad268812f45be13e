import type { Attempt, EventBrief, JourneyDelivery } from "../../../shared/admin.ts";

/** A tone decides a colour; the words say the same. */
export type Tone = "good" | "wait" | "bad" | "quiet";

/** A destination's name for people, by its name in the API: `crisp` is "Crisp". */
export type Titles = (destination: string) => string;

export const count = (number: number): string => number.toLocaleString();
export const counted = (number: number, one: string, many = `${one}s`): string =>
	`${count(number)} ${number === 1 ? one : many}`;

/** What an event is called. */
export function eventWords({ type, name }: EventBrief): string {
	switch (type) {
		case "track":
			return name ?? "event";
		case "login":
			return "Log-in";
		case "update":
			return "Profile update";
		case "page":
			return "Page view";
		case "confirmation":
			return "Purchase";
		case "email_open":
			return "E-mail opened";
	}
}

/** What an answer of a provider meant. */
export const outcomeWords: Record<Attempt["outcome"], [string, Tone]> = {
	delivered: ["Delivered", "good"],
	retry: ["Failed, will be tried again", "wait"],
	wait: ["Asked us to wait", "wait"],
	paused: ["Not let in: paused", "bad"],
	unknownPerson: ["Person not there yet", "wait"],
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
	skipped: ["Left out", "quiet"],
	past: ["Done", "quiet"],
};

/** The reasons that are ours; others are in the provider's own words. */
const reasons: Record<string, string> = {
	duplicate: "the same event had come before",
	duplicate_order: "this order had been counted before",
	email_open_too_soon: "it was opened again within 20 minutes",
	not_addressable: "this person cannot be found there by what is known of them",
	unknown_person: "this person is not there",
	forgotten: "this person was forgotten",
	expired: "it had waited for too long",
	no_progress: "it took too many requests",
	unreadable: "the answers could not be read",
	unbuildable: "the person’s address does not fit into a request",
	internal_error: "something went wrong here; the log says what",
	timeout: "there was no answer within 10 seconds",
	network: "it could not be reached",
	stopped: "the proxy was stopped",
	rate_limited: "too many requests",
};

/** Why, as a part of a sentence. */
export function reasonWords(reason: string): string {
	const status = /^http_(\d+)$/.exec(reason)?.[1];
	return status === undefined ? (reasons[reason] ?? `“${reason}”`) : `it answered ${status}`;
}

/** Why the page cannot show or do something. */
export function errorWords(code: string): string {
	switch (code) {
		case "store_unavailable":
			return "The event store does not answer now. Nothing is lost; trying again.";
		case "rate_limited":
			return "Too many requests from here. Trying again in a while.";
		case "invalid_admin_token":
			return "The token is not accepted any more.";
		default:
			return "The proxy does not answer. Trying again.";
	}
}
