import type { NewEvent } from "../batch.ts";
import { keyOf } from "../claim-key.ts";
import { type JournalRow, sealBatch } from "../journal-row.ts";
import type { Link, Report } from "../outbox.ts";
import { discardedFor, siteItself } from "../tally.ts";
import type { Claims } from "./claims.ts";
import type { Counters } from "./counters.ts";
import type { Destinations } from "./destinations.ts";
import type { Statements } from "./statements.ts";

interface Parts {
	statements: Statements;
	destinations: Destinations;
	counters: Counters;
	claims: Claims;
	append(row: JournalRow): void;
	link(site: string, link: Link, now: number): void;
}

/** What providers report. */
export function createReports({
	statements: { run },
	destinations: { idOf },
	counters: { count },
	claims,
	append,
	link,
}: Parts) {
	return {
		receive({ site, claim, events, skipped, links, unlearn, now }: Report): boolean {
			if (!claims.take(keyOf(site, "", claim), claim)) return false;
			const taken: NewEvent[] = [];
			for (const { event, unless, marks } of events) {
				const held = unless.find((each) => claims.isHeld(keyOf(site, event.person, each), each));
				if (held) {
					count(idOf(site, siteItself), discardedFor(held.reason), 1);
					continue;
				}
				for (const each of marks) claims.mark(keyOf(site, event.person, each), each);
				taken.push(event);
			}
			if (taken.length + (skipped?.length ?? 0) > 0) {
				append(sealBatch({ site, events: taken, ...(skipped && { skipped }) }));
			}
			for (const { destination, person } of unlearn) {
				run("DELETE FROM known WHERE site = ? AND destination = ? AND person = ?", site, destination, person);
				run("DELETE FROM link WHERE site = ? AND person = ? AND destination = ?", site, person, destination);
			}
			for (const each of links) link(site, each, now);
			return true;
		},
	};
}
