import { columns, type Run } from "./connection.ts";

/** Key of a bundle: its batch, and its place in the batch. */
export interface BundleKey {
	batch: number;
	place: number;
}

const keys = (bundles: readonly BundleKey[]) => columns(bundles, "batch", "place");

export const bundleId = ({ batch, place }: BundleKey): string => `${batch} ${place}`;

export const linesOf = (bodies: unknown): string[] => (Buffer.isBuffer(bodies) ? bodies.toString().split("\n") : []);

/** Reads the bodies of bundles; returns them by `bundleId`. */
export async function bodiesOf(run: Run, bundles: readonly BundleKey[]): Promise<Map<string, string[]>> {
	if (bundles.length === 0) return new Map();
	const rows = await run(
		`SELECT batch, place, bodies FROM eventferry.bundle
		JOIN unnest($1::bigint[], $2::integer[]) AS t (batch, place) USING (batch, place)`,
		keys(bundles),
	);
	return new Map(
		rows.map((row) => [bundleId({ batch: Number(row.batch), place: Number(row.place) }), linesOf(row.bodies)]),
	);
}

export async function removeBundles(run: Run, bundles: readonly BundleKey[]): Promise<void> {
	if (bundles.length === 0) return;
	await run(
		`DELETE FROM eventferry.bundle USING unnest($1::bigint[], $2::integer[]) AS t (batch, place)
		WHERE bundle.batch = t.batch AND bundle.place = t.place`,
		keys(bundles),
	);
}

/** Stores, for each bundle that several lanes owe, the number of these lanes. */
export async function shareBundles(run: Run, bundles: readonly (BundleKey & { lanes: number })[]): Promise<void> {
	if (bundles.length === 0) return;
	await run(
		"INSERT INTO eventferry.owing (batch, place, lanes) SELECT * FROM unnest($1::bigint[], $2::integer[], $3::integer[])",
		[...keys(bundles), bundles.map(({ lanes }) => lanes)],
	);
}

/** Records for each removed entry that its lane owes no event of the bundle; deletes bundles that no lane owes. */
export async function releaseBundles(run: Run, entries: readonly (BundleKey & { isShared: boolean })[]): Promise<void> {
	const shared = entries.filter(({ isShared }) => isShared);
	const removing = [
		removeBundles(
			run,
			entries.filter(({ isShared }) => !isShared),
		),
	];
	if (shared.length > 0) {
		const values = keys(shared);
		// Every transaction locks these rows in the same order, to avoid deadlocks.
		void run(
			`SELECT FROM eventferry.owing
			WHERE (batch, place) IN (SELECT * FROM unnest($1::bigint[], $2::integer[])) ORDER BY batch, place FOR UPDATE`,
			values,
		);
		void run(
			`UPDATE eventferry.owing SET lanes = lanes - t.count FROM (
				SELECT batch, place, count(*)::integer AS count FROM unnest($1::bigint[], $2::integer[]) AS t (batch, place)
				GROUP BY batch, place
			) AS t WHERE owing.batch = t.batch AND owing.place = t.place`,
			values,
		);
		removing.push(
			run(
				`WITH gone AS (
					DELETE FROM eventferry.owing USING unnest($1::bigint[], $2::integer[]) AS t (batch, place)
					WHERE owing.batch = t.batch AND owing.place = t.place AND lanes <= 0 RETURNING owing.batch, owing.place
				) DELETE FROM eventferry.bundle USING gone WHERE bundle.batch = gone.batch AND bundle.place = gone.place`,
				values,
			).then(() => {}),
		);
	}
	await Promise.all(removing);
}
