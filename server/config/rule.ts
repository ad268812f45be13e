import * as z from "zod";
import { colors, limits } from "../../shared/event.ts";
import { eventPattern, eventType } from "../providers/event-pattern.ts";
import { text } from "../providers/options.ts";

const hasAnEffect = ({
	event: _,
	to: __,
	via: ___,
	...what
}: object & { event?: unknown; to?: unknown; via?: unknown }) =>
	Object.values(what).some((value) => value !== undefined);

const colorHint = `must be one of ${colors.join(", ")}`;
const asHint = 'must be "track" or "confirmation": an event of a page never becomes a login or an update';

const rule = {
	/** Events that the rule is about: a type, a name, or a name with `*` for any characters. A type's name is the type. */
	event: eventPattern,
	/** Names of the destinations that the rule is about; default all. */
	to: z.array(text("the name of a destination")).min(1, "is empty: leave it out to mean every destination").optional(),
	/** Tracker whose calls the rule is about, by the name in the event's `context.via`; default all. */
	via: text("the name of a tracker").optional(),
	/** Whether the events are sent, whatever the `events` of a destination say. */
	send: z.boolean().optional(),
	/** Name of the events at the destination. A login or an update has none. */
	name: z
		.string()
		.min(1, "is empty: give the event a name")
		.max(limits.nameLength, `must be at most ${limits.nameLength} characters long`)
		.regex(/^[^\p{Cc}\p{Cs}]*$/u, "must not have control characters or lone surrogates")
		.optional(),
	/** Type of the events at the destination. An event from which no `orderId` can be read is no `confirmation`. */
	as: z.enum(["track", "confirmation"], asHint).optional(),
	/**
	 * Paths in the event's data of a confirmation's fields, `{ orderId: "order.id" }`. `orderId`, `total` and `items` are
	 * read from fields of these names by default. Without `pick` the confirmation has all of the data.
	 */
	pick: z.record(z.string().min(1), text("a path in the event's data, for example order.id")).optional(),
	/** Colour of the events where the destination shows one. */
	color: z.enum(colors, colorHint).optional(),
	/** Time after its capture at which an event is not delivered any more: a number with `s`, `m`, `h` or `d`. */
	expires: z
		.string("must be text, for example 2h")
		.regex(
			/^[1-9]\d{0,5}[smhd]$/,
			"must be a whole number of seconds, minutes, hours or days, for example 90s, 5m, 2h or 3d",
		)
		.optional(),
	/** Lets adjacent events of a person become one at the destination. Purchases, logins and updates never do. */
	digest: z.literal(true, "must be true, or left out").optional(),
	/** Type with whose rank the events wait for their turn. Trusted events stay before all others. */
	rank: eventType.optional(),
};
type RuleSchema = z.ZodObject<typeof rule, z.core.$strict>;

/** A rule about what goes where, and as what. */
export type Rule = z.output<RuleSchema>;

export const ruleSchema: RuleSchema = z.strictObject(rule).refine(hasAnEffect, {
	message: "says only which events it is about: give it send, name, as, pick, color, expires, digest or rank",
	// Runs even if a part is wrong, so that all is reported at once.
	when: ({ value }) => typeof value === "object" && value !== null && !Array.isArray(value),
});
