import { eventSchema, limits } from "../../shared/event.ts";
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
	/** Web hooks of the site's accounts, by the provider's name. Accounts without a shared secret have none. */
	hooks: ReadonlyMap<string, AccountHooks>;
}

export interface ReportingOptions {
	outbox(): Outbox;
	ingest: Pick<Ingest, "check" | "taken">;
	now(): number;
	/** Called with the outcome of each verified web hook. `nobody` comes in addition to another outcome. */
	report(notice: InboundNotice): void;
}

export interface InboundNotice {
	from: ReporterName;
	/**
	 * `unknown_event` if neither documentation nor a rule names the event; `other_account` if no site has the account;
	 * `nobody` if rules made no event, as the report's person is not known.
	 */
	outcome: "taken" | "repeated" | "unknown_event" | "other_account" | "nobody";
}

/** Selects the site's rules for a report. None apply if the report is about an account of somebody else. */
export const rulesFor = ({ inbound }: ReportedSite, from: ReporterName, { event, isOurs }: Hook): InboundRule[] =>
	inbound.filter((rule) => isOurs && rule.from === from && rule.event === event);

/** Names of people as events may have them. */
const namesSchema = eventSchema.options[0].shape.person.pick({ email: true, userId: true });

/** Tells whether a key or an alias is short enough to be remembered. Longer ones name nobody. */
const isShort = (name: string): boolean => name.length <= limits.emailLength + 20;

/**
 * Time in ms within which the same event reported by two providers counts as one. The second report is an echo: we
 * delivered the first report's event to the second provider, which reported that delivery back.
 */
const echoMs = 300_000;

/** Returns the kind that an event shares with its echo. A login and an update are one kind, as both set attributes. */
const kindOf = ({ as, name, event }: InboundRule) =>
	setsAttributes({ type: as }) ? "identity" : as === "track" ? `track ${name ?? event}` : as;

/** Selects the attributes whose names are short enough to be taken. */
const nameable = (attributes: Hook["attributes"]) =>
	Object.fromEntries(Object.entries(attributes).filter(([name]) => name.length <= limits.attributeNameLength));

/** Returns a function that stores reports: the events that a site's rules make of them, and aliases of people. */
export function createReporting({ outbox, ingest, now, report }: ReportingOptions) {
	/** Finds the keys of a report's person: first the keys of stated names, then the keys linked to its aliases. */
	async function keysOf(site: ReportedSite, from: ReporterName, { person, aliases }: Hook): Promise<string[]> {
		const { email, userId } = person;
		const keys = [personKey({ email }), personKey({ userId })].flatMap((key) => key ?? []).filter(isShort);
		const short = aliases.filter(isShort);
		if (short.length === 0) return keys;
		const linked = await outbox().linked({ destination: { site: site.name, name: from }, aliases: short, now: now() });
		return [...new Set([...keys, ...short.flatMap((alias) => linked.get(alias) ?? [])])];
	}

	/** Makes the event of a rule and a report. */
	function eventOf(rule: InboundRule, index: number, from: ReporterName, hook: Hook, key: string) {
		const { as, name } = rule;
		const raw = {
			id: eventId(hook.at, `${from}\n${hook.key}\n${index}`),
			type: as,
			name: as === "track" ? (name ?? hook.event) : undefined,
			at: Math.min(Math.floor(hook.at), now()),
			person: personKey(hook.person) === undefined ? personOf(key) : hook.person,
			data: setsAttributes({ type: as }) ? nameable(hook.attributes) : hook.details,
		};
		return { rule, raw };
	}

	/** Makes the claim of an event that a provider reported. While it is held, reports by others are echoes. */
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
		// A name that is refused in events names nobody.
		const isLinked = key !== undefined && !isGone && namesSchema.safeParse(hook.person).success;
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
			links: isLinked ? aliases.filter(isShort).map((alias) => ({ destination: from, alias, person: key })) : [],
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
