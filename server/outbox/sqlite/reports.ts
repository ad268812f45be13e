import { keyOf } from "../claim-key.ts";
import { type Report, withoutEchoes } from "../report.ts";
import { discardedFor, siteItself } from "../tally.ts";
import type { Shared } from "./shared.ts";

export function createReports({ run, idOf, count, claims, journal, links }: Shared) {
	return function receive(report: Report): boolean {
		const { site, claim, unlearn, now } = report;
		if (!claims.take(keyOf(site, "", claim), claim, false)) return false;
		const { batch, echoes } = withoutEchoes(report, {
			isTaken: (person, each) => claims.isTaken(keyOf(site, person, each), each),
			set: (person, each) => claims.set(keyOf(site, person, each), each, false),
		});
		for (const reason of echoes) count(idOf(site, siteItself), discardedFor(reason), 1);
		if (batch) journal.append(batch, true);
		for (const { destination, person } of unlearn) {
			run("DELETE FROM known WHERE site = ? AND destination = ? AND person = ?", [site, destination, person]);
			run("DELETE FROM link WHERE site = ? AND person = ? AND destination = ?", [site, person, destination]);
		}
		for (const each of report.links) links.link(site, each, now);
		return true;
	};
}
