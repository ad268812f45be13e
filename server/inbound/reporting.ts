import type { InboundRule } from "../config/site.ts";
import type { Ingest, IngestSite } from "../ingest/ingest.ts";
import type { Claim, Outbox } from "../outbox/outbox.ts";
import type { AccountHooks, Hook } from "../providers/hook.ts";
import { type ReporterName, reporterNames } from "../providers/registry.ts";
import { personKey, personOf, setsAttributes } from "../stored-event.ts";
import { eventId } from "./event-id.ts";

/** A site that can receive web hooks. */
export interface ReportedSite extends IngestSite {
	inbound: readonly InboundRule[];
	/** Web hooks of the site's accounts, by the provider's name, where the site can verify them. */
	hooks: ReadonlyMap<string, AccountHooks>;
}

export interface ReportingOptions {
	outbox(): Outbox;
	ingest: Pick<Ingest, "check" | "taken">;
	now(): number;
	/** Called with each verified web hook, and with each whose rules found nobody to make an event for. */
	report(notice: InboundNotice): void;
}

export interface InboundNotice {
	from: ReporterName;
	/** `unknown_event` if neither documentation nor a rule names it, `other_account` if no site has its account. */
	outcome: "taken" | "repeated" | "unknown_event" | "other_account" | "nobody";
}

/** Rules of a site that make an event of a report. A report about no account of the site has none. */
export const rulesFor = ({ inbound }: ReportedSite, from: ReporterName, { event, isOurs }: Hook): InboundRule[] =>
	inbound.filter((rule) => isOurs && rule.from === from && rule.event === event);

/**
 * Period, ms, in which the same event reported by two providers counts as one. The second report is an echo: we
 * delivered the first one's event to the second provider, which reported that delivery back.
 */
const echoMs = 300_000;

/** Kind that an event shares with its echo. A login and an update are one kind, since both set attributes. */
const kindOf = ({ as, name, event }: InboundRule) =>
	setsAttributes({ type: as }) ? "identity" : as === "track" ? `track ${name ?? event}` : as;

/** Stores reports of providers: the events that a site's rules make of them, and the aliases by which they name people. */
export function createReporting({ outbox, ingest, now, report }: ReportingOptions) {
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
	function eventOf(rule: InboundRule, index: number, from: ReporterName, hook: Hook, key: string) {
		const { as, name } = rule;
		const raw = {
			id: eventId(hook.at, `${from}\n${hook.key}\n${index}`),
			type: as,
			name: as === "track" ? (name ?? hook.event) : undefined,
			at: Math.min(Math.floor(hook.at), now()),
			person: personKey(hook.person) === undefined ? personOf(key) : hook.person,
			data: setsAttributes({ type: as }) ? hook.attributes : hook.details,
		};
		return { rule, raw };
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
	 * site is only remembered, so that its repeats are recognised.
	 */
	return async (site: ReportedSite, from: ReporterName, hook: Hook): Promise<boolean> => {
		const at = now();
		const { isOurs, isGone, aliases } = hook;
		const keys = isOurs ? await keysOf(site, from, hook) : [];
		const [key] = keys;
		const rules = rulesFor(site, from, hook);
		const made = key === undefined ? [] : rules.map((rule, index) => eventOf(rule, index, from, hook, key));
		const checked = made.map(({ rule, raw }) => ({ rule, ...ingest.check(site, [raw], from) }));
		const isLinked = key !== undefined && !isGone;
		const others = reporterNames.filter((other) => other !== from);
		const isNew = await outbox().receive({
			site: site.name,
			claim: { key: `report of ${from}\n${hook.key}`, reason: "repeated", at, since: 0, until: at + hook.repeatMs },
			events: checked.flatMap(({ rule, events }) =>
				events.map((event) => ({
					event,
					unless: others.map((other) => reportedBy(other, kindOf(rule), at)),
					marks: [reportedBy(from, kindOf(rule), at)],
				})),
			),
			skipped: checked.flatMap(({ skipped = [] }) => skipped),
			links: isLinked ? aliases.map((alias) => ({ destination: from, alias, person: key })) : [],
			unlearn: isGone ? keys.map((person) => ({ destination: from, person })) : [],
			now: at,
		});
		if (isNew) {
			for (const each of checked) ingest.taken(site, each);
			if (key === undefined && rules.length > 0) report({ from, outcome: "nobody" });
		}
		return isNew;
	};
}
