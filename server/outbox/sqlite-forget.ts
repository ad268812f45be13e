import { personClaims } from "./claim-key.ts";
import type { Batch, Claim, ForgetRequest, Forgotten } from "./outbox.ts";
import type { Statements } from "./sqlite-statements.ts";

/** What a forgotten delivery is counted as. */
const reason = "forgotten";

/** Deletes what is kept of people. `claim` takes a claim unless it is held; given by fan-out. */
export function createForget(
	{ run, get, all, count }: Statements,
	claim: (site: string, person: string, claim: Claim) => boolean,
) {
	/** Takes a person's events out of the batches that are not fanned out yet; returns what they were owed, by destination. */
	function leaveJournal(site: string, person: string): Map<string, number> {
		const owed = new Map<string, number>();
		let events = 0;
		const rows = all("SELECT id, batch FROM journal WHERE instr(batch, ?) > 0", `"person":${JSON.stringify(person)}`);
		for (const { id = null, batch: text } of rows) {
			const batch = JSON.parse(String(text)) as Batch;
			if (batch.site !== site) continue;
			const [theirs, others] = [true, false].map((is) =>
				batch.events.filter((event) => (event.person === person) === is),
			);
			for (const { claims, destinations } of theirs ?? []) {
				// A copy of it may still be on its way.
				for (const each of claims) if (!each.ofPerson) claim(site, person, each);
				for (const name of destinations) owed.set(name, (owed.get(name) ?? 0) + 1);
				events += 1;
			}
			run("UPDATE journal SET batch = ? WHERE id = ?", JSON.stringify({ ...batch, events: others }), id);
		}
		count(site, "", "events", events);
		return owed;
	}

	/** Deletes a person's lane at a destination, leased or not; returns how many deliveries it owed. */
	function deleteLane(site: string, name: string, person: string): number {
		const lane = get("SELECT id FROM lane WHERE site = ? AND destination = ? AND person = ?", site, name, person);
		if (!lane) return 0;
		const id = lane.id ?? null;
		run("UPDATE event SET owed = owed - 1 WHERE id IN (SELECT event FROM entry WHERE lane = ?)", id);
		run("DELETE FROM event WHERE owed = 0 AND id IN (SELECT event FROM entry WHERE lane = ?)", id);
		const { changes } = run("DELETE FROM entry WHERE lane = ?", id);
		run("DELETE FROM lane WHERE id = ?", id);
		count(site, name, "lanes", -1);
		count(site, name, "owed", -Number(changes));
		return Number(changes);
	}

	function forgetAt(site: string, destination: string, person: string): Omit<Forgotten, "destination"> {
		const owed = deleteLane(site, destination, person);
		const { changes } = run(
			"DELETE FROM dead_letter WHERE site = ? AND person = ? AND destination = ?",
			site,
			person,
			destination,
		);
		count(site, destination, "dead", -Number(changes));
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
				count(site, destination, `discarded:${reason}`, owed);
			};
			for (const person of people) {
				for (const [name, owed] of leaveJournal(site, person)) add(name, { owed, dead: 0, known: [] });
				// Every destination of the site that ever was has its counters.
				const names = all(
					"SELECT DISTINCT destination AS name FROM counter WHERE site = ? AND destination <> ''",
					site,
				);
				for (const { name } of names) add(String(name), forgetAt(site, String(name), person));
				run("DELETE FROM link WHERE site = ? AND person = ?", site, person);
				run("DELETE FROM claim WHERE key BETWEEN ? AND ?", ...personClaims(site, person));
			}
			return [...result.values()];
		},
	};
}
