import { rememberRefused, type Sent } from "./attributes.ts";
import type { Outcome, PlannedRequest } from "./provider.ts";

/** The part of a provider's knowledge of a person that refused attributes need. */
export interface AttributesKnown {
	/** Attributes as last sent or refused. */
	sent?: Sent | undefined;
	/**
	 * Attributes left out on trial, because the provider refused an update and their names may be the cause; `of` is the
	 * id of the update's first event.
	 *
	 *     update ── refused ──▶ sent again without odd names ── delivered ──▶ these are remembered as refused
	 *                                        └── refused, and none is left ──▶ these were not the cause
	 */
	doubt?: { of: string; names: string[] } | undefined;
}

/** Names that every provider takes: https://help.crisp.chat/en/article/how-can-i-automatically-set-custom-data-1xh7pqk */
export const isPlainName = (name: string): boolean => /^[a-z0-9_-]+$/.test(name);

/** Name of an attribute for the site, without the part that a provider's fields of custom data begin with. */
const nameOf = (field: string): string => field.replace(/^(?:data|customData)\./, "");
const isPlain = (field: string) => isPlainName(nameOf(field));

/** Splits attributes into those to send and those that are left out on trial. */
export function trial<Value>(fields: Record<string, Value>, { doubt }: AttributesKnown, of: string) {
	const isDoubted = ([name]: [string, Value]) => doubt?.of === of && doubt.names.includes(name);
	const all = Object.entries(fields);
	return {
		kept: Object.fromEntries(all.filter((each) => !isDoubted(each))),
		doubted: Object.fromEntries(all.filter(isDoubted)),
	};
}

/** Returns the knowledge of a person after a request was delivered, with what was left out on trial as refused. */
export const afterTrial = (sent: Sent | undefined, doubted: Record<string, unknown>, now: number): AttributesKnown => ({
	sent: rememberRefused(sent, doubted, (field) => !isPlain(field), now),
	doubt: undefined,
});

/** Counts attributes that are left out, and names those that the provider has refused. */
export const leftOutOf = (unfit: number, refused: readonly string[]) => ({
	leftOut: unfit + refused.length,
	refused: refused.length > 0 ? refused.map(nameOf) : undefined,
});

/**
 * Gives a refused update another try without the attributes whose names may be the cause: those that the answer names,
 * else those that are not plain. `named` reads the names in an answer. Without such names a refusal is final.
 */
export function triedAgain(
	outcome: Outcome,
	{ attributes }: PlannedRequest,
	named: (complaint: string) => string[] = () => [],
): Outcome {
	const isOfContent = outcome.kind === "rejected" && !["unbuildable", "unknown_person"].includes(outcome.reason);
	if (!isOfContent || !attributes) return outcome;
	const { fields, doubted, of, before, now } = attributes;
	const isFirst = Object.keys(doubted).length === 0;
	const all = Object.keys(fields);
	const isNamed = isMentioned(`${outcome.reason} ${outcome.message ?? ""}`, named);
	const mentioned = all.filter((field) => isNamed(nameOf(field)));
	const odd = mentioned.length > 0 && isFirst ? [] : all.filter((field) => !isPlain(field));
	const names = [...new Set([...mentioned, ...odd])];
	if (names.length === 0) return isFirst ? outcome : { ...outcome, known: { ...before, doubt: undefined } };
	// Nothing would be left to send: the attributes are left out without a trial.
	const known =
		names.length === all.length
			? afterTrial((before as AttributesKnown).sent, { ...fields, ...doubted }, now)
			: { doubt: { of, names: [...Object.keys(doubted), ...names] } };
	return { ...outcome, known: { ...before, ...known }, isAgain: true };
}

/** Tells whether a complaint names an attribute: in quotes, at the end of a path, or as `named` reads it. */
function isMentioned(complaint: string, named: (complaint: string) => string[]) {
	const read = new Set(named(complaint));
	return (name: string): boolean =>
		read.has(name) ||
		[`"${name}"`, `'${name}'`, `\`${name}\``, `[${name}]`].some((quoted) => complaint.includes(quoted));
}
