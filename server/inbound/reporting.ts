import type { InboundRule } from "../config/site.ts";
import type { CheckedEvents, IngestSite } from "../ingest/ingest.ts";
import type { Claim, Link, Outbox } from "../outbox/outbox.ts";
import type { AccountHooks, Hook } from "../providers/hook.ts";
import { type ReporterName, reporterNames } from "../providers/registry.ts";
import { isUpdate, personKey, personOf } from "../stored-event.ts";
import { eventId } from "./event-id.ts";

/** A site that can receive web hooks. */
export interface ReportedSite extends IngestSite {
	inbound: readonly InboundRule[];
	/** Web hooks of the site's accounts, by the provider's name, where the site can verify them. */
	hooks: ReadonlyMap<string, AccountHooks>;
}

export interface ReportingOptions {
	outbox(): Outbox;
	check(site: ReportedSite, events: unknown[], from: ReporterName): CheckedEvents;
	taken(site: ReportedSite, checked: CheckedEvents): void;
	now(): number;
	/** Called if a rule fits a report whose person cannot be identified. */
	onNobody(from: ReporterName): void;
}

/**
 * Period, ms, in which the same event reported by two providers counts as one. The second report is an echo: we
 * delivered the first one's event to the second provider, which reported that delivery back.
 */
const echoMs = 300_000;

/** Kind that an event shares with its echo. A login and an update are one kind, since both set attributes. */
const kindOf = ({ as, name, event }: InboundRule) =>
	isUpdate({ type: as }) ? "identity" : as === "track" ? `track ${name ?? event}` : as;

/** Stores reports of providers: the events that a site's rules make of them, and the aliases by which they name people. */
export function createReporting({ outbox, check, taken, now, onNobody }: ReportingOptions) {
	/** Keys of the person that a report is about: those it states, then those linked to its aliases. */
	async function keysOf(site: ReportedSite, from: ReporterName, { person, aliases }: Hook): Promise<string[]> {
		const { email, userId } = person;
		const keys = [personKey({ email }), personKey({ userId })].flatMap((key) => key ?? []);
		for (const alias of aliases) {
			const linked = await outbox().linked({ destination: { site: site.name, name: from }, alias, now: now() });
			if (linked !== undefined && !keys.includes(linked)) keys.push(linked);
		}
		return keys;
	}

	/** The event that a rule makes of a report. */
	function eventOf({ as, name }: InboundRule, index: number, from: ReporterName, hook: Hook, key: string) {
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

	/** Claim that marks an event as reported by a provider, so that another provider's report of it is an echo. */
	const reportedBy = (reporter: ReporterName, kind: string, at: number): Claim => ({
		key: `told by ${reporter}: ${kind}`,
		ofPerson: true,
		reason: "echo",
		at,
		since: at,
		until: at + echoMs,
	});

	/**
	 * Stores a report for a site; resolves, once it is durable, to whether it is new. A report about no account of the
	 * site (`isOurs` false) is only remembered, so that its repeats are recognised.
	 */
	return async (site: ReportedSite, from: ReporterName, hook: Hook, isOurs: boolean): Promise<boolean> => {
		const at = now();
		const keys = isOurs ? await keysOf(site, from, hook) : [];
		const [key] = keys;
		const rules = isOurs ? site.inbound.filter((rule) => rule.from === from && rule.event === hook.event) : [];
		const made =
			key === undefined ? [] : rules.map((rule, index) => ({ rule, raw: eventOf(rule, index, from, hook, key) }));
		const checked = made.map(({ rule, raw }) => ({ rule, ...check(site, [raw], from) }));
		const links: Link[] =
			hook.isGone || key === undefined ? [] : hook.aliases.map((alias) => ({ destination: from, alias, person: key }));
		const others = reporterNames.filter((other) => other !== from);
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
					unless: others.map((other) => reportedBy(other, kindOf(rule), at)),
					marks: [reportedBy(from, kindOf(rule), at)],
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
