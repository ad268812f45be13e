import { listed } from "../../shared/listed.ts";
import type { Rule } from "../config/rule.ts";
import { setsAttributes } from "../stored-event.ts";
import { createChoices, effects, type Place } from "./choices.ts";
import { isOfName, matcherOf, type Named } from "./pattern.ts";

const hasStar = (pattern: string) => pattern.includes("*");

/** Makes an event that a pattern matches, and that others match only if they match all its events. */
const exampleOf = (pattern: string): Named =>
	isOfName(pattern) ? { type: "track", name: pattern } : { type: pattern as Named["type"] };

/** Tells whether a pattern surely matches every event that another one matches. */
function covers(wide: string, narrow: string): boolean {
	if (wide === narrow || wide === "*") return true;
	// The star of the narrow pattern stands for any text, as no literal part of the wide one has a star.
	return narrow !== "*" && (narrow !== "track" || wide === "track") && matcherOf(wide)(exampleOf(narrow));
}

/** Parts of a rule that it has. */
const effectsOf = (rule: Rule) => effects.filter((effect) => rule[effect] !== undefined);

/** Tells whether later rules replace all that a rule says, at each of its destinations. */
function isShadowed(rule: Rule, later: readonly Rule[], names: readonly string[]): boolean {
	const replaces = (other: Rule, name: string) =>
		(other.via === undefined || other.via === rule.via) &&
		other.to?.includes(name) !== false &&
		covers(other.event, rule.event);
	return names.every((name) =>
		effectsOf(rule).every((effect) => later.some((other) => other[effect] !== undefined && replaces(other, name))),
	);
}

type Choose = ReturnType<typeof createChoices>;

/** Tells whether events that a rule is about are surely sent to none of its destinations. */
function isNeverSent(rule: Rule, choose: Choose, rules: readonly Rule[], places: readonly Place[]): boolean {
	// Names decide whether the events of a wide pattern are sent.
	if (rule.event === "track" || hasStar(rule.event) || rule.send !== undefined) return false;
	const example = exampleOf(rule.event);
	// An event of any other tracker meets the same rules as one of none.
	const others = () => rules.filter(({ event, send }) => send && matcherOf(event)(example)).map(({ via }) => via);
	const vias = rule.via === undefined ? new Set([undefined, ...others()]) : [rule.via];
	return places.every((place) => [...vias].every((via) => !choose(example, via, place).isSent));
}

/** Finds rules that can have no effect, one line each. Names no rule that may have one. `path` leads to the rules. */
export function ruleWarnings(rules: readonly Rule[], places: readonly Place[], path: string): string[] {
	const choose = createChoices(rules);
	return rules.flatMap((rule, index) => {
		const its = `${path}[${index}]`;
		const own = places.filter(({ name }) => rule.to?.includes(name) !== false);
		const unknown = rule.to?.filter((name) => !places.some((place) => place.name === name)) ?? [];
		const found: string[] = [];
		if (unknown.length > 0) {
			const has =
				places.length > 0
					? listed(
							places.map(({ name }) => name),
							"and",
						)
					: "none";
			found.push(`${its}.to names ${listed(unknown, "and")}, but the destinations of this site are: ${has}`);
		}
		if (own.length === 0) return found;
		if (
			isShadowed(
				rule,
				rules.slice(index + 1),
				own.map(({ name }) => name),
			)
		)
			return [...found, `${its} (${rule.event}) has no effect: later rules replace all that it says`];
		if (isNeverSent(rule, choose, rules, own)) {
			const to = listed(
				own.map(({ name }) => name),
				"and",
			);
			return [
				...found,
				`${its} (${rule.event}) has no effect: its events are not sent to ${to}. Add send: true, or name them in events`,
			];
		}
		const isExact = !isOfName(rule.event) && rule.event !== "*";
		const mayChange = rules.some(({ as }) => as !== undefined);
		const isOfAttributes = isExact && setsAttributes({ type: rule.event }) && !mayChange;
		if (isOfAttributes && (rule.name !== undefined || rule.color !== undefined))
			found.push(
				`${its} (${rule.event}) gives a name or a color, which a ${rule.event} does not have. Add as: "track"`,
			);
		if (rule.digest && isExact && (setsAttributes({ type: rule.event }) || rule.event === "confirmation"))
			found.push(`${its} (${rule.event}) has digest, but a ${rule.event} is never merged`);
		if (rule.pick && !rules.some(({ as }) => as === "confirmation"))
			found.push(`${its} (${rule.event}) has pick, which is for a purchase alone. Add as: "confirmation"`);
		return found;
	});
}
