import * as z from "zod";
import { isLoopback } from "../http/loopback.ts";
import { eventPattern } from "./event-pattern.ts";

/** Text of 1 to 4,096 printable ASCII characters. The hint completes the sentence "… is missing:". */
export const text = (hint: string) =>
	z
		.string({ error: ({ input }) => (input === undefined ? `is missing: ${hint}` : `must be text: ${hint}`) })
		.min(1, `is empty: ${hint}`)
		.max(4_096, "must be at most 4096 characters long")
		.regex(/^[\x20-\x7e]*$/, "must be printable ASCII without line breaks");

const protocolOf = (url: string) => (URL.canParse(url) ? new URL(url).protocol : "");

/** Base URL of an API, version included: https, or http to a loopback address. */
export const baseUrl = z
	.string()
	.refine((url) => /^https?:$/.test(protocolOf(url)), "must be a URL that starts with https://")
	.refine(
		// Guard (SECURITY.md): https
		(url) => protocolOf(url) !== "http:" || isLoopback(url),
		"must start with https://; http:// is allowed for a loopback address only",
	)
	.refine(
		(url) => !URL.canParse(url) || /^[^?#@]*$/.test(new URL(url).href.slice(0, 2_048)),
		"must not contain a user, a query or a fragment: the API's paths are appended to it",
	)
	// The parsed form is used, so that the URL that was checked is the URL that is called.
	.transform((url) => (URL.canParse(url) ? new URL(url).href.replace(/\/+$/, "") : url));

/** Options of every provider's account, beside the provider's own. */
export const commonOptions = {
	/**
	 * Events that may create a profile for a person who has none: all events (`"always"`, the default), events
	 * of your backend and of verified visitors (`"verified"`), none (`"never"`), or those of a list of types, names and
	 * names with `*`, whoever sends them. With a list, a person's other events wait for one of these, at most 500 and for
	 * `maxWait`; without it they are discarded.
	 */
	createPeople: z
		.union(
			[
				z.enum(["always", "verified", "never"]),
				z.array(eventPattern).min(1, "is empty: name the events that are worth a profile"),
			],
			{
				error: 'must be "always", "verified", "never", or a list of types and names of events',
			},
		)
		.default("always"),
	/**
	 * Events to whose data the capture time is added as `occurred_at`: all events (`"always"`), events delivered more
	 * than a minute after their capture (`"late"`, the default), or none (`"never"`).
	 */
	occurredAt: z.enum(["always", "late", "never"], 'must be "always", "late" or "never"').default("late"),
};
export type CommonOptions = z.output<z.ZodObject<typeof commonOptions>>;
