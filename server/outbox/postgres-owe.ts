import { columns, type Run } from "./postgres-connection.ts";
import type { Counts } from "./postgres-counters.ts";
import type { Destinations } from "./postgres-destinations.ts";

/** A delivery to be added to the end of a person's lane. */
export interface Debt {
	/** Its number. */
	destination: number;
	person: string;
	rank: number;
	reserved: boolean;
}

interface FoundLane {
	id: number;
	rank: number;
	/** The rank that is stored; undefined for a lane that is not yet. */
	stored: number | undefined;
	first: Debt;
}

const keyOf = ({ destination, person }: Pick<Debt, "destination" | "person">) => `${destination}\n${person}`;

/**
 * The lanes of some debts, found or made and locked until the transaction ends. Under the lock of `lockWriting`,
 * so that nobody else makes one meanwhile. `later` is the first of as many free ids as there are debts.
 */
export async function lanesOf(run: Run, debts: readonly Debt[], later: number, now: number) {
	const wanted = [...new Map(debts.map((debt) => [keyOf(debt), debt])).values()];
	const found = await run(
		`SELECT id, destination, person, rank FROM eventferry.lane
		JOIN unnest($1::integer[], $2::text[]) AS t (destination, person) USING (destination, person)
		ORDER BY id FOR UPDATE OF lane`,
		columns(
			wanted,
			({ destination }) => destination,
			({ person }) => person,
		),
	);
	const lanes = new Map<string, FoundLane>();
	for (const { id, destination, person, rank } of found) {
		const lane = { destination: Number(destination), person: String(person) };
		const first = { ...lane, rank: Number(rank), reserved: false };
		lanes.set(keyOf(lane), { id: Number(id), rank: Number(rank), stored: Number(rank), first });
	}
	let nextId = later;
	const ids = debts.map((debt) => {
		const lane = lanes.get(keyOf(debt)) ?? { id: nextId++, rank: debt.rank, stored: undefined, first: debt };
		lane.rank = Math.min(lane.rank, debt.rank);
		lanes.set(keyOf(debt), lane);
		return lane.id;
	});

	async function save(counts: Counts, destinations: Destinations): Promise<void> {
		const fresh = [...lanes.values()].filter(({ stored }) => stored === undefined);
		const better = [...lanes.values()].filter(({ stored, rank }) => stored !== undefined && rank < stored);
		const saving = [];
		if (fresh.length > 0) {
			saving.push(
				run(
					`INSERT INTO eventferry.lane (id, destination, person, rank, reserved, owed_since, turn)
					SELECT *, $6::bigint, nextval('eventferry.turn')
					FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::integer[], $5::boolean[])`,
					[
						...columns(
							fresh,
							({ id }) => id,
							({ first }) => first.destination,
							({ first }) => first.person,
							({ rank }) => rank,
							({ first }) => first.reserved,
						),
						now,
					],
				),
			);
		}
		if (better.length > 0) {
			saving.push(
				run(
					`UPDATE eventferry.lane SET rank = t.rank FROM unnest($1::bigint[], $2::integer[]) AS t (id, rank)
					WHERE lane.id = t.id`,
					columns(
						better,
						({ id }) => id,
						({ rank }) => rank,
					),
				),
			);
		}
		await Promise.all(saving);
		for (const { first } of fresh) {
			const { site, name } = await destinations.named(first.destination);
			counts.add(site, name, "lanes", 1);
		}
	}

	return { ids, save };
}
