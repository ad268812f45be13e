import { personClaims } from "../claim-key.ts";
import { type Head, withoutPeople } from "../journal-row.ts";
import { type ForgetRequest, type Forgotten, forgottenReason, userIdLinks } from "../outbox.ts";
import { discardedFor, siteItself } from "../tally.ts";
import type { Shared } from "./shared.ts";
import { bytesOf } from "./statements.ts";

export function createForget({ run, all, idOf, namesOf, count, bundles, claims, lanes, leases }: Shared) {
	/** Removes a person's events from the journal; returns their number, and the destination of each delivery. */
	function removeFromJournal(site: string, person: string): { events: number; owed: string[] } {
		const rows = all("SELECT id, head, keys FROM journal WHERE instr(head, ?) > 0", [
			`"person":${JSON.stringify(person)}`,
		]);
		const owed: string[] = [];
		let events = 0;
		for (const { id = null, head: text, keys } of rows) {
			const head = JSON.parse(String(text)) as Head;
			if (head.site !== site) continue;
			const rest = withoutPeople(head, bytesOf(keys), new Set([person]));
			for (const { key, term, trusted } of rest.lasting) claims.take(key, term, trusted);
			for (const place of rest.places) bundles.remove(Number(id) + place);
			run("UPDATE journal SET head = ?, keys = ? WHERE id = ?", [JSON.stringify(rest.head), rest.keys, id]);
			owed.push(...rest.owed);
			events += rest.events;
		}
		return { events, owed };
	}

	/** Deletes the data of a person at a destination, and adds it to the summary. */
	function forgetAt(site: string, person: string, summary: Forgotten): void {
		const { destination } = summary;
		for (const lane of lanes.find(idOf(site, destination), person)) {
			leases.letGo(lane.id);
			summary.owed += lanes.clear(lane);
		}
		const where = "WHERE site = ? AND destination = ? AND person = ?";
		summary.dead += Number(run(`DELETE FROM dead_letter ${where}`, [site, destination, person]).changes);
		for (const { value } of all(`DELETE FROM known ${where} RETURNING value`, [site, destination, person])) {
			summary.known.push(String(value));
		}
	}

	return function forget({ site, people }: ForgetRequest): Forgotten[] {
		const result = new Map<string, Forgotten>();
		function at(destination: string): Forgotten {
			const found = result.get(destination) ?? { destination, owed: 0, dead: 0, known: [] };
			result.set(destination, found);
			return found;
		}
		for (const person of people) {
			const journal = removeFromJournal(site, person);
			for (const name of journal.owed) at(name).owed += 1;
			count(idOf(site, siteItself), "events", journal.events);
			for (const name of namesOf(site)) forgetAt(site, person, at(name));
			run("DELETE FROM link WHERE site = ? AND person = ?", [site, person]);
			run("DELETE FROM link WHERE site = ? AND destination = ? AND alias = ?", [site, userIdLinks, person]);
			run("DELETE FROM claim WHERE key BETWEEN ? AND ?", personClaims(site, person));
		}
		for (const { destination, owed, dead } of result.values()) {
			count(idOf(site, destination), "dead", -dead);
			count(idOf(site, destination), discardedFor(forgottenReason), owed);
		}
		return [...result.values()];
	};
}
