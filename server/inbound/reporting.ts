import type { InboundRule } from "../config/schema.ts";
import type { CheckedEvents, IngestSite } from "../ingest/ingest.ts";
import type { Claim, Link, Outbox } from "../outbox/outbox.ts";
import type { CrispHookAccount } from "../providers/crisp/hooks.ts";
import type { HelpCrunchHookAccount } from "../providers/helpcrunch/hooks.ts";
import type { Hook } from "../providers/hook.ts";
import { isUpdate, personKey, personOf } from "../stored-event.ts";
import { eventId } from "./event-id.ts";

/** A site that providers report to. */
export interface ReportedSite extends IngestSite {
	inbound: readonly InboundRule[];
	crisp?: CrispHookAccount | undefined;
	helpcrunch?: HelpCrunchHookAccount | undefined;
}

export interface ReportingOptions {
	outbox(): Outbox;
	check(site: ReportedSite, events: unknown[], from: Reporter): CheckedEvents;
	taken(site: ReportedSite, checked: CheckedEvents): void;
	now(): number;
	/** Told of a rule that fits, of whom nobody could say whom it is about. */
	onNobody(from: Reporter): void;
}

export type Reporter = InboundRule["from"];
const reporters: readonly Reporter[] = ["crisp", "helpcrunch"];

/**
 * How long after a provider has reported something the same from another is taken for its echo: what we have told
 * that other of it, reported back.
 */
const echoMs = 300_000;

/** What is alike in an event and its echo. A login and an update both say who somebody is. */
const kindOf = ({ as, name, event }: InboundRule) =>
	isUpdate({ type: as }) ? "identity" : as === "track" ? `track ${name ?? event}` : as;

/** Takes in what providers report: makes of it what a site's rules say, for the others; remembers and forgets whom it names. */
export function createReporting({ outbox, check, taken, now, onNobody }: ReportingOptions) {
	/** The keys of whom it is about, the best first: as it says itself, or as was learnt before. */
	async function whom(site: ReportedSite, from: Reporter, { person, aliases }: Hook): Promise<string[]> {
		const { email, userId } = person;
		const keys = [personKey({ email }), personKey({ userId })].flatMap((key) => key ?? []);
		for (const alias of aliases) {
			const linked = await outbox().linked({ destination: { site: site.name, name: from }, alias, now: now() });
			if (linked !== undefined && !keys.includes(linked)) keys.push(linked);
		}
		return keys;
	}

	/** The event that a rule makes of a report. */
	function eventOf({ as, name }: InboundRule, index: number, from: Reporter, hook: Hook, key: string) {
		const { email, userId } = hook.person;
		return {
			id: eventId(hook.at, `${from}\n${hook.key}\n${index}`),
			type: as,
			...(as === "track" && { name: name ?? hook.event }),
			at: Math.min(Math.floor(hook.at), now()),
			person: email === undefined && userId === undefined ? personOf(key) : hook.person,
			data: isUpdate({ type: as }) ? hook.attributes : hook.details,
		};
	}

	const told = (by: Reporter, kind: string, at: number): Claim => ({
		key: `told by ${by}: ${kind}`,
		ofPerson: true,
		reason: "echo",
		at,
		since: at,
		until: at + echoMs,
	});

	/** Resolves, once durable, to whether it is new; `isOurs` says whether it is of the site's own account. */
	return async (site: ReportedSite, from: Reporter, hook: Hook, isOurs: boolean): Promise<boolean> => {
		const at = now();
		const keys = isOurs ? await whom(site, from, hook) : [];
		const [key] = keys;
		const rules = isOurs ? site.inbound.filter((rule) => rule.from === from && rule.event === hook.event) : [];
		const made =
			key === undefined ? [] : rules.map((rule, index) => ({ rule, raw: eventOf(rule, index, from, hook, key) }));
		const checked = made.map(({ rule, raw }) => ({ rule, ...check(site, [raw], from) }));
		const links: Link[] =
			hook.isGone || key === undefined ? [] : hook.aliases.map((alias) => ({ destination: from, alias, person: key }));
		const isNew = await outbox().receive({
			site: site.name,
			claim: {
				key: `report of ${from}\n${hook.key}`,
				reason: "repeated",
				at,
				since: 0,
				until: at + hook.repeatMs,
			},
			events: checked.flatMap(({ rule, events }) =>
				events.map((event) => ({
					event,
					unless: reporters.filter((other) => other !== from).map((other) => told(other, kindOf(rule), at)),
					marks: [told(from, kindOf(rule), at)],
				})),
			),
			skipped: checked.flatMap(({ skipped = [] }) => skipped),
			links,
			unlearn: hook.isGone ? keys.map((person) => ({ destination: from, person })) : [],
			now: at,
		});
		if (isNew) {
			for (const each of checked) taken(site, each);
			if (key === undefined && rules.length > 0) onNobody(from);
		}
		return isNew;
	};
}
