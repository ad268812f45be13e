import type { Batch, Claim, Link, NewEvent, Report } from "./outbox.ts";
import type { Statements } from "./sqlite-statements.ts";

/** What a report changes elsewhere. */
interface Effects {
	/** Takes a claim unless it is held; returns whether it was taken. */
	takeClaim(site: string, person: string, claim: Claim): boolean;
	isHeld(site: string, person: string, claim: Claim): boolean;
	/** Holds a claim from now on, whether it was held or not. */
	markClaim(site: string, person: string, claim: Claim): void;
	append(batch: Batch): void;
	link(site: string, link: Link, now: number): void;
}

/** What providers report. */
export function createReports({ run, count }: Statements, { takeClaim, isHeld, markClaim, append, link }: Effects) {
	return {
		receive({ site, claim, events, skipped, links, unlearn, now }: Report): boolean {
			if (!takeClaim(site, "", claim)) return false;
			const taken: NewEvent[] = [];
			for (const { event, unless, marks } of events) {
				const held = unless.find((each) => isHeld(site, event.person, each));
				if (held) {
					count(site, "", `discarded:${held.reason}`, 1);
					continue;
				}
				for (const each of marks) markClaim(site, event.person, each);
				taken.push(event);
			}
			if (taken.length + (skipped?.length ?? 0) > 0) append({ site, events: taken, ...(skipped && { skipped }) });
			for (const { destination, person } of unlearn) {
				run("DELETE FROM known WHERE site = ? AND destination = ? AND person = ?", site, destination, person);
				run("DELETE FROM link WHERE site = ? AND person = ? AND destination = ?", site, person, destination);
			}
			for (const each of links) link(site, each, now);
			return true;
		},
	};
}
