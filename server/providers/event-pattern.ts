import * as z from "zod";
import { eventTypes, limits } from "../../shared/event.ts";

export const eventType = z.enum(eventTypes, `must be one of ${eventTypes.join(", ")}`);

const patternHint = `a type (${eventTypes.join(", ")}), a name, or a name with *`;

/** Events by their type, their name, or a name with `*`. */
export const eventPattern = z
	.string({ error: ({ input }) => `${input === undefined ? "is missing" : "must be text"}: ${patternHint}` })
	.min(1, `is empty: ${patternHint}`)
	.max(limits.nameLength, `must be at most ${limits.nameLength} characters long`)
	.regex(/^[^\p{Cc}\p{Cs}]*$/u, "must not have control characters or lone surrogates");
