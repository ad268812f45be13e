import type { IngestSite } from "../ingest/ingest.ts";
import { parsePerson } from "../ingest/parse-event.ts";
import { type Outbox, userIdLinks } from "../outbox/outbox.ts";
import { personKey, personOf } from "../stored-event.ts";
import type { Translated } from "./translate.ts";

/** Returns the key of a person's userId. Undefined if there is none that is taken. */
function aliasOf({ userId }: Translated["person"]): string | undefined {
	const named = userId === undefined ? undefined : parsePerson({ userId });
	return named && personKey(named);
}

/**
 * Makes a function that adds the e-mail to calls of a backend that name a userId alone: that of the last `identify`, which
 * is where Segment's users say it. Never used for calls of pages: a visitor could name somebody else's userId, and
 * would be sent that person's events.
 */
export function createUserIds(outbox: () => Outbox, now: () => number) {
	let stored: Promise<unknown> = Promise.resolve();

	/** Adds e-mails to calls, in their order. Returns a promise of the time when those learnt are on disk. */
	return async function addEmails({ name: site }: IngestSite, calls: readonly Translated[]) {
		const learnt = new Map<string, string>();
		const missing: { person: Translated["person"]; alias: string }[] = [];
		for (const { person, isIdentify } of calls) {
			const alias = aliasOf(person);
			if (alias === undefined) continue;
			if (person.email !== undefined) {
				if (isIdentify) learnt.set(alias, person.email);
				continue;
			}
			const email = learnt.get(alias);
			if (email === undefined) missing.push({ person, alias });
			else person.email = email;
		}
		const aliases = [...new Set(missing.map(({ alias }) => alias))];
		// Another connection to the store may be slower than the one of a request that has come later.
		const earlier = stored;
		const storing = learnt.size === 0 ? undefined : outbox().link({ site, links: linksOf(learnt), now: now() });
		if (storing) stored = Promise.allSettled([earlier, storing]);
		if (aliases.length > 0) {
			await earlier;
			const linked = await outbox().linked({ destination: { site, name: userIdLinks }, aliases, now: now() });
			for (const { person, alias } of missing) {
				const key = linked.get(alias);
				const email = key === undefined ? undefined : personOf(key).email;
				if (email !== undefined) person.email = email;
			}
		}
		return { storing };
	};
}

/** Makes the links of userIds to e-mails, by which both are forgotten. */
const linksOf = (learnt: ReadonlyMap<string, string>) =>
	[...learnt].flatMap(([alias, email]) => {
		const person = personKey({ email });
		return person === undefined ? [] : { destination: userIdLinks, alias, person };
	});
