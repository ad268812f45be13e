import type { Destination } from "../destination.ts";
import { columns, type Database } from "./connection.ts";

const keyOf = ({ site, name }: Destination) => `${site}\n${name}`;

export type Destinations = ReturnType<typeof createDestinations>;

/**
 * Makes the numbers of destinations, assigned in a transaction of their own. A number is never deleted or reused, so it
 * can be cached.
 */
export function createDestinations({ run }: Pick<Database, "run">) {
	const numbers = new Map<string, number>();
	const names = new Map<number, Destination>();

	function learn(rows: readonly Record<string, unknown>[]): void {
		for (const { id, site, name } of rows) {
			const destination = { site: String(site), name: String(name) };
			numbers.set(keyOf(destination), Number(id));
			names.set(Number(id), destination);
		}
	}

	async function assign(destinations: readonly Destination[]): Promise<void> {
		const named = columns(destinations, "site", "name");
		// Two statements: only the second one sees rows that another process has just added.
		await run(
			`INSERT INTO eventferry.destination (site, name)
			SELECT DISTINCT site, name FROM unnest($1::text[], $2::text[]) AS t (site, name) ORDER BY site, name
			ON CONFLICT DO NOTHING`,
			named,
		);
		learn(
			await run(
				`SELECT id, site, name FROM eventferry.destination
				JOIN unnest($1::text[], $2::text[]) AS t (site, name) USING (site, name)`,
				named,
			),
		);
	}

	async function ids(destinations: readonly Destination[]): Promise<number[]> {
		const unknown = destinations.filter((each) => !numbers.has(keyOf(each)));
		if (unknown.length > 0) await assign(unknown);
		return destinations.flatMap((each) => numbers.get(keyOf(each)) ?? []);
	}

	return {
		/** Returns the numbers of destinations. A new one gets a number. */
		ids,
		id: async (destination: Destination): Promise<number> => Number((await ids([destination]))[0]),
		async byId(id: number): Promise<Destination> {
			if (!names.has(id)) learn(await run("SELECT id, site, name FROM eventferry.destination"));
			const destination = names.get(id);
			if (!destination) throw new Error(`the store has no destination with the number ${id}`);
			return destination;
		},
	};
}
