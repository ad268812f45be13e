import type { Rule } from "../config/rule.ts";
import { type Matcher, matcherOf, type Named } from "./pattern.ts";

/** Parts of a rule that say what becomes of an event. */
export const effects = ["send", "name", "as", "pick", "color", "expires", "digest", "rank"] as const;
type Effect = (typeof effects)[number];

/** A destination, as far as rules matter. */
export interface Place {
	name: string;
	/** Events that are sent unless a rule says otherwise; default all but `page`. */
	events?: readonly string[] | undefined;
	/** Events worth a profile; absent if there is no list of them. */
	worthProfile?: readonly string[] | undefined;
}

/** Fate of an event at one destination. */
export interface Choice {
	isSent: boolean;
	what: Pick<Rule, Effect>;
	/** Place of the rule that decided, by the part. */
	by: { [Name in Effect]?: number };
}

/** Makes the function that applies rules to events. It is pure: `event` is as it was captured, `via` its tracker. */
export function createChoices(rules: readonly Rule[]) {
	const compiled = rules.map((rule, index) => ({ rule, index, matches: matcherOf(rule.event) }));
	const listed = new Map<Place, Matcher[]>();

	function isListed(event: Named, place: Place): boolean {
		// Page views are delivered only if `events` lists them, because they would use up a daily budget.
		if (!place.events) return event.type !== "page";
		const matchers = listed.get(place) ?? place.events.map(matcherOf);
		listed.set(place, matchers);
		return matchers.some((matches) => matches(event));
	}

	/** Applies all rules about an event at a destination, in their order. Of one part, the later rule's counts. */
	return (event: Named, via: string | undefined, place: Place): Choice => {
		const what: Choice["what"] = {};
		const by: Choice["by"] = {};
		for (const { rule, index, matches } of compiled) {
			const isAbout = (rule.via === undefined || rule.via === via) && rule.to?.includes(place.name) !== false;
			if (!isAbout || !matches(event)) continue;
			for (const effect of effects) {
				if (rule[effect] === undefined) continue;
				Object.assign(what, { [effect]: rule[effect] });
				by[effect] = index;
			}
		}
		// The tracker that an event is taken over from has it already, if it is the destination's own.
		return { isSent: what.send ?? (via !== place.name && isListed(event, place)), what, by };
	};
}
