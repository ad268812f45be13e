import { personClaims } from "../claim-key.ts";
import { type Head, withoutPeople } from "../journal-row.ts";
import { type ForgetRequest, type Forgotten, forgottenReason } from "../outbox.ts";
import { discardedFor, siteItself } from "../tally.ts";
import type { Lanes } from "./lanes.ts";
import type { Leases } from "./leases.ts";
import type { Shared } from "./shared.ts";
import { bytesOf } from "./statements.ts";

/** Makes the deletion of people's data. */
export function createForget(
	{ statements: { run, all }, destinations: { idOf, namesOf }, counters: { count }, bundles, claims }: Shared,
	lanes: Lanes,
	leases: Leases,
) {
	/** Takes a person's events out of the journal; returns the numbers of deliveries by destination. */
	function leaveJournal(site: string, person: string): Map<string, number> {
		const owed = new Map<string, number>();
		let events = 0;
		const rows = all(
			"SELECT id, head, keys FROM journal WHERE instr(head, ?) > 0",
			`"person":${JSON.stringify(person)}`,
		);
		for (const { id = null, head: text, keys } of rows) {
			const head = JSON.parse(String(text)) as Head;
			if (head.site !== site) continue;
			const left = withoutPeople(head, bytesOf(keys), new Set([person]));
			for (const { key, term } of left.lasting) claims.take(key, term);
			for (const name of left.owed) owed.set(name, (owed.get(name) ?? 0) + 1);
			for (const place of left.places) bundles.remove(Number(id) + place);
			run("UPDATE journal SET head = ?, keys = ? WHERE id = ?", JSON.stringify(left.head), left.keys, id);
			events += left.events;
		}
		count(idOf(site, siteItself), "events", events);
		return owed;
	}

	/** Deletes the lane of a person, even if it is leased; returns its number of deliveries. */
	function deleteLane(destination: number, person: string): number {
		const lane = lanes.find(destination, person);
		if (!lane) return 0;
		leases.letGo(lane.id);
		return lanes.clear(lane);
	}

	function forgetAt(site: string, destination: string, person: string): Omit<Forgotten, "destination"> {
		const id = idOf(site, destination);
		const owed = deleteLane(id, person);
		const { changes } = run(
			"DELETE FROM dead_letter WHERE site = ? AND person = ? AND destination = ?",
			site,
			person,
			destination,
		);
		count(id, "dead", -Number(changes));
		const known = all(
			"DELETE FROM known WHERE site = ? AND destination = ? AND person = ? RETURNING value",
			site,
			destination,
			person,
		);
		return { owed, dead: Number(changes), known: known.map(({ value }) => String(value)) };
	}

	return {
		forget({ site, people }: ForgetRequest): Forgotten[] {
			const result = new Map<string, Forgotten>();
			const add = (destination: string, { owed, dead, known }: Omit<Forgotten, "destination">) => {
				const before = result.get(destination) ?? { destination, owed: 0, dead: 0, known: [] };
				result.set(destination, {
					destination,
					owed: before.owed + owed,
					dead: before.dead + dead,
					known: [...before.known, ...known],
				});
				count(idOf(site, destination), discardedFor(forgottenReason), owed);
			};
			for (const person of people) {
				for (const [name, owed] of leaveJournal(site, person)) add(name, { owed, dead: 0, known: [] });
				for (const name of namesOf(site)) add(name, forgetAt(site, name, person));
				run("DELETE FROM link WHERE site = ? AND person = ?", site, person);
				run("DELETE FROM claim WHERE key BETWEEN ? AND ?", ...personClaims(site, person));
			}
			return [...result.values()];
		},
	};
}
