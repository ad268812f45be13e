import { existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { StoreOpenError } from "../errors.ts";
import type { Head } from "../journal-row.ts";
import { stepSize } from "../limits.ts";
import type { Database } from "../postgres/connection.ts";
import { openDatabase as openTarget } from "../postgres/database.ts";
import { createDestinations } from "../postgres/destinations.ts";
import { isBusy, openDatabase } from "../sqlite/database.ts";
import { moved } from "../sqlite/schema.ts";
import { createStatements, type Row, type Statements } from "../sqlite/statements.ts";
import { type Mapping, moves, type TableMove } from "./tables.ts";

/** Progress of a migration. */
export interface Progress {
	/** Table that is being moved. */
	table: string;
	/** Number of its rows moved in this run. */
	rows: number;
}

async function openSource(file: string): Promise<DatabaseSync> {
	if (!existsSync(file)) throw new StoreOpenError(`there is no store at ${file}`);
	try {
		return await openDatabase(file, { allowMoved: true });
	} catch (error) {
		if (error instanceof StoreOpenError) throw error;
		const why = isBusy(error) ? "a proxy uses it: stop that first" : `${file} cannot be read: ${String(error)}`;
		throw new StoreOpenError(why, { cause: error });
	}
}

/** Reserves the target for this migration, from when on no proxy opens it. Rejects if a proxy uses it, or used it. */
async function claimTarget({ transaction }: Database, isMoved: boolean): Promise<"begin" | "go on" | "done"> {
	return transaction(async (run) => {
		await run("LOCK TABLE eventferry.migration");
		const [state] = await run("SELECT is_finished FROM eventferry.migration WHERE step = ''");
		if (state?.is_finished) {
			if (isMoved) return "done";
			throw new StoreOpenError(
				"the target holds another store, which was moved there before: move to an empty database",
			);
		}
		if (state) return "go on";
		if (isMoved) throw new StoreOpenError("the store was moved before, to another target");
		const [used] = await run(
			`SELECT FROM (SELECT 1 FROM eventferry.counter UNION ALL SELECT 1 FROM eventferry.journal
			UNION ALL SELECT 1 FROM eventferry.claim UNION ALL SELECT 1 FROM eventferry.owner) AS rows LIMIT 1`,
		);
		if (used) throw new StoreOpenError("the target is in use, or was: stop its proxies, and move to an empty database");
		await run("INSERT INTO eventferry.migration (step) VALUES ('')");
		return "begin";
	});
}

const named = ({ site, name }: Row) => ({ site: String(site), name: String(name) });

async function mappingOf({ all, each }: Statements, database: Database): Promise<Mapping> {
	const rows = all(`SELECT site, name FROM destination UNION SELECT site, destination FROM known UNION
		SELECT site, destination FROM link UNION SELECT site, destination FROM dead_letter UNION
		SELECT site, destination FROM budget UNION SELECT site, destination FROM budget_use UNION
		SELECT site, destination FROM hold`).map(named);
	const destinations = rows.filter(({ name }) => name !== "");
	const ids = await createDestinations(database).ids(destinations);
	const numbers = new Map(destinations.map(({ site, name }, index) => [`${site}\n${name}`, ids[index]]));
	const numbered = new Map(all("SELECT * FROM destination").map((row) => [Number(row.id), named(row)]));
	const waiting = new Map<number, { batch: number; place: number }>();
	for (const { id, head } of each("SELECT id, head FROM journal")) {
		try {
			for (const place of (JSON.parse(String(head)) as Head).bundles.keys()) {
				waiting.set(Number(id) + place, { batch: Number(id), place });
			}
		} catch {
			// A head that cannot be read: its batch was set aside.
		}
	}
	function sure<Value>(value: Value | undefined): Value {
		if (value === undefined) throw new Error("the store refers to a destination that it does not have");
		return value;
	}
	return {
		named: (site, name) => sure(numbers.get(`${site}\n${name}`)),
		byNumber: (id) => sure(numbered.get(id)),
		ofBatch: (bundle) => waiting.get(bundle),
	};
}

const written = (value: unknown) => (value instanceof Uint8Array ? { hex: Buffer.from(value).toString("hex") } : value);
const read = (value: unknown) =>
	typeof value === "object" && value !== null && "hex" in value ? Buffer.from(String(value.hex), "hex") : value;

/** Moves a table step by step; each step also stores the progress. Resolves to the number of rows. */
async function move(
	{ table, keys, put }: TableMove,
	{ all }: Statements,
	database: Database,
	mapping: Mapping,
	onProgress: (progress: Progress) => void,
): Promise<number> {
	const [step = table] = table.split(" ");
	const [found] = await database.run("SELECT after FROM eventferry.migration WHERE step = $1", [step]);
	let after: unknown[] | undefined = typeof found?.after === "string" ? JSON.parse(found.after).map(read) : undefined;
	let moved = 0;
	for (;;) {
		const where = after ? `WHERE (${keys}) > (${keys.map(() => "?")})` : "";
		const rows: Row[] = all(
			`SELECT * FROM ${table} ${where} ORDER BY ${keys} LIMIT ${stepSize}`,
			(after ?? []) as Row[string][],
		);
		const last = rows.at(-1);
		if (!last) return moved;
		const next = keys.map((key) => last[key]);
		await database.transaction(async (run) => {
			await put(run, rows, mapping);
			await run(
				`INSERT INTO eventferry.migration (step, after) VALUES ($1, $2)
				ON CONFLICT (step) DO UPDATE SET after = excluded.after`,
				[step, JSON.stringify(next.map(written))],
			);
		});
		after = next;
		moved += rows.length;
		onProgress({ table: step, rows: moved });
	}
}

/**
 * Moves an embedded store into an empty database. After a failure it can be run again, and goes on from there. No proxy
 * opens the target before it is done, nor the source afterwards. Rejects with {@link StoreOpenError} if the source or
 * the target does not fit. Resolves to the number of rows moved in this run.
 */
export async function migrateStore(
	file: string,
	url: string,
	onProgress: (progress: Progress) => void = () => {},
): Promise<{ rows: number }> {
	const source = await openSource(file);
	try {
		const database = await openTarget(url);
		try {
			const statements = createStatements(source);
			const isMoved = Number(statements.get("PRAGMA user_version")?.user_version) === moved;
			let rows = 0;
			if ((await claimTarget(database, isMoved)) !== "done") {
				const mapping = await mappingOf(statements, database);
				for (const each of moves) rows += await move(each, statements, database, mapping, onProgress);
				const next = Number(statements.get("SELECT next FROM number")?.next);
				for (const sequence of ["id", "batch", "turn"]) {
					await database.run("SELECT setval($1::regclass, $2::bigint)", [`eventferry.${sequence}`, next]);
				}
				await database.run(
					`SELECT setval(pg_get_serial_sequence('eventferry.dead_letter', 'id'), (
						SELECT coalesce(max(id), 0) + 1 FROM eventferry.dead_letter))`,
				);
				// The source first, so that proxies can never open both.
				source.exec(`PRAGMA user_version = ${moved}`);
				await database.run("UPDATE eventferry.migration SET is_finished = true WHERE step = ''");
			}
			return { rows };
		} finally {
			await database.end();
		}
	} finally {
		source.close();
	}
}
