import { claimKey } from "./claim-key.ts";
import type { Batch, Claim, Destination, Discarded } from "./outbox.ts";
import type { KnownLanes, Owed } from "./sqlite-lanes.ts";
import type { Statements } from "./sqlite-statements.ts";

/** Events a fan-out transaction takes at most; a single batch may exceed it. */
const eventsAtOnce = 1_000;
/** Ended claims that one sweep deletes at most. */
const claimsAtOnce = 5_000;
/** Discarded events that are told of, of one transaction. */
const discardedTold = 100;

type Owe = (destination: Destination, person: string, owed: Owed, now: number, known: KnownLanes) => void;

/** The journal, and how it becomes entries of lanes: each event written once, and only if none of its claims is held. */
export function createFanOut({ run, get, count }: Statements, owe: Owe, ensureRoom: () => void) {
	/** Takes a claim unless it is held; returns whether it was taken. */
	function takeClaim(site: string, person: string, claim: Claim): boolean {
		const { since, until, at } = claim;
		const { changes } = run(
			`INSERT INTO claim VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET since = ?2, until = ?3
			WHERE since > ?4 OR until <= ?4`,
			claimKey(site, person, claim),
			since,
			until,
			at,
		);
		return Number(changes) > 0;
	}

	const isHeld = (site: string, person: string, claim: Claim) =>
		get(
			"SELECT 1 FROM claim WHERE key = ?1 AND since <= ?2 AND until > ?2",
			claimKey(site, person, claim),
			claim.at,
		) !== undefined;

	/** Takes an event's claims unless one of them is held: then the reason, and none is taken. */
	function claim(site: string, person: string, claims: Claim[]): string | undefined {
		if (claims.length > 1) {
			const held = claims.find((each) => isHeld(site, person, each));
			if (held) return held.reason;
		}
		return claims.find((each) => !takeClaim(site, person, each))?.reason;
	}

	function fanOutBatch({ site, events, skipped }: Batch, now: number, told: Discarded[]): void {
		const lanes: KnownLanes = new Map();
		const discarded = new Map<string, number>();
		const owed = new Map<string, number>();
		for (const { person, body, destinations, claims, rank, reserved } of events) {
			const reason = claim(site, person, claims);
			if (reason !== undefined) {
				discarded.set(reason, (discarded.get(reason) ?? 0) + 1);
				told.push({ site, person, body, reason });
				continue;
			}
			if (destinations.length === 0) continue;
			const { lastInsertRowid: event } = run(
				"INSERT INTO event (body, owed, stored_at) VALUES (?, ?, ?)",
				body,
				destinations.length,
				now,
			);
			for (const name of destinations) {
				owe({ site, name }, person, { event, rank, reserved }, now, lanes);
				owed.set(name, (owed.get(name) ?? 0) + 1);
			}
		}
		count(site, "", "events", events.length);
		for (const [name, by] of owed) count(site, name, "owed", by);
		for (const [reason, by] of discarded) count(site, "", `discarded:${reason}`, by);
		for (const { destination, reason, count: by } of skipped ?? []) count(site, destination, `discarded:${reason}`, by);
	}

	function markClaim(site: string, person: string, claim: Claim): void {
		run("INSERT OR REPLACE INTO claim VALUES (?, ?, ?)", claimKey(site, person, claim), claim.since, claim.until);
	}

	return {
		takeClaim,
		isHeld,
		markClaim,

		append(batch: Batch): void {
			ensureRoom();
			run("INSERT INTO journal (batch) VALUES (?)", JSON.stringify(batch));
		},

		hasJournal: (): boolean => get("SELECT 1 FROM journal WHERE stuck IS NULL LIMIT 1") !== undefined,

		/** Turns the oldest journal rows into entries, `events` of them or a few more; returns the last that were discarded. */
		fanOut(now: number, events = eventsAtOnce): Discarded[] {
			const told: Discarded[] = [];
			let done = 0;
			while (done < events) {
				const row = get("SELECT id, batch FROM journal WHERE stuck IS NULL ORDER BY id LIMIT 1");
				if (!row) break;
				const batch = JSON.parse(String(row.batch)) as Batch;
				fanOutBatch(batch, now, told);
				run("DELETE FROM journal WHERE id = ?", row.id ?? null);
				done += batch.events.length;
			}
			return told.slice(-discardedTold);
		},

		/** Keeps the oldest journal row out of the way of the others, with why. */
		setAside(reason: string): void {
			run("UPDATE journal SET stuck = ? WHERE id = (SELECT min(id) FROM journal WHERE stuck IS NULL)", reason);
		},

		/** Deletes some claims that have ended; returns whether there may be more. */
		sweepClaims(now: number): boolean {
			const { changes } = run(
				`DELETE FROM claim WHERE key IN (SELECT key FROM claim WHERE until <= ? LIMIT ${claimsAtOnce})`,
				now,
			);
			return Number(changes) === claimsAtOnce;
		},
	};
}
