import { existsSync } from "node:fs";
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

export interface Progress {
	/** Table that is being moved, by its name in SQLite. */
	table: string;
	/** Number of rows of the table moved in this run. */
	rows: number;
}

async function openSource(file: string): ReturnType<typeof openDatabase> {
	if (!existsSync(file)) throw new StoreOpenError(`there is no store at ${file}`);
	try {
		return await openDatabase(file, { allowMoved: true });
	} catch (error) {
		if (error instanceof StoreOpenError) throw error;
		const why = isBusy(error) ? `a proxy uses ${file}: stop it first` : `${file} cannot be read: ${String(error)}`;
		throw new StoreOpenError(why, { cause: error });
	}
}

/** Reserves the target for this migration: from then on no proxy opens it. Rejects if a proxy ever used the target. */
async function reserveTarget({ transaction }: Database, isMoved: boolean): Promise<"begin" | "go on" | "done"> {
	return transaction(async (run) => {
		await run("LOCK TABLE eventferry.migration");
		const [state] = await run("SELECT is_finished FROM eventferry.migration WHERE step = ''");
		if (state?.is_finished) {
			if (isMoved) return "done";
			throw new StoreOpenError(
				"the target has the contents of another store, which was moved there: move to an empty database",
			);
		}
		if (state) return "go on";
		if (isMoved) throw new StoreOpenError("the store was moved before, to another database: use that database");
		const [used] = await run(
			`SELECT FROM (SELECT 1 FROM eventferry.counter UNION ALL SELECT 1 FROM eventferry.journal
			UNION ALL SELECT 1 FROM eventferry.claim UNION ALL SELECT 1 FROM eventferry.owner) AS rows LIMIT 1`,
		);
		if (used) throw new StoreOpenError("the target is in use, or was in use before: move to an empty database");
		await run("INSERT INTO eventferry.migration (step) VALUES ('')");
		return "begin";
	});
}

const destinationOf = ({ site, name }: Row) => ({ site: String(site), name: String(name) });

async function mappingOf({ all, each }: Statements, database: Database): Promise<Mapping> {
	const rows = all(`SELECT site, name FROM destination UNION SELECT site, destination FROM known UNION
		SELECT site, destination FROM link UNION SELECT site, destination FROM dead_letter UNION
		SELECT site, destination FROM budget UNION SELECT site, destination FROM budget_use UNION
		SELECT site, destination FROM hold`).map(destinationOf);
	const destinations = rows.filter(({ name }) => name !== "");
	const ids = await createDestinations(database).ids(destinations);
	const numbers = new Map(destinations.map(({ site, name }, index) => [`${site}\n${name}`, ids[index]]));
	const byNumber = new Map(all("SELECT * FROM destination").map((row) => [Number(row.id), destinationOf(row)]));
	const unsorted = new Map<number, { batch: number; place: number }>();
	for (const { id, head } of each("SELECT id, head FROM journal")) {
		try {
			for (const place of (JSON.parse(String(head)) as Head).bundles.keys()) {
				unsorted.set(Number(id) + place, { batch: Number(id), place });
			}
		} catch {
			// The head cannot be read, so its batch was set aside.
		}
	}
	function found<Value>(value: Value | undefined): Value {
		if (value === undefined) throw new Error("the store refers to a destination that it does not have");
		return value;
	}
	return {
		numberOf: (site, name) => found(numbers.get(`${site}\n${name}`)),
		byNumber: (id) => found(byNumber.get(id)),
		ofBatch: (bundle) => unsorted.get(bundle),
	};
}

const encoded = (value: unknown) => (value instanceof Uint8Array ? { hex: Buffer.from(value).toString("hex") } : value);
const decoded = (value: unknown) =>
	typeof value === "object" && value !== null && "hex" in value ? Buffer.from(String(value.hex), "hex") : value;

/** Moves a table step by step; each step also stores the progress. Resolves to the number of rows moved. */
async function moveTable(
	{ table, keys, put }: TableMove,
	{ all }: Statements,
	database: Database,
	mapping: Mapping,
	onProgress: (progress: Progress) => void,
): Promise<number> {
	const [step = table] = table.split(" ");
	const [found] = await database.run("SELECT after FROM eventferry.migration WHERE step = $1", [step]);
	let after: unknown[] | undefined =
		typeof found?.after === "string" ? JSON.parse(found.after).map(decoded) : undefined;
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
				[step, JSON.stringify(next.map(encoded))],
			);
		});
		after = next;
		moved += rows.length;
		onProgress({ table: step, rows: moved });
	}
}

/**
 * Moves an SQLite store into an empty database. After a failure, the next run goes on where this one stopped. No proxy
 * opens the target before the move is done, nor the source afterwards. Resolves to the number of rows moved in this run.
 * Rejects with {@link StoreOpenError} if the source or the target does not fit.
 */
export async function migrateStore(
	file: string,
	url: string,
	onProgress: (progress: Progress) => void = () => {},
): Promise<{ rows: number }> {
	const { db: source, close } = await openSource(file);
	try {
		const database = await openTarget(url);
		try {
			const statements = createStatements(source);
			const isMoved = Number(statements.get("PRAGMA user_version")?.user_version) === moved;
			let rows = 0;
			if ((await reserveTarget(database, isMoved)) !== "done") {
				const mapping = await mappingOf(statements, database);
				for (const each of moves) rows += await moveTable(each, statements, database, mapping, onProgress);
				const next = Number(statements.get("SELECT next FROM number")?.next);
				for (const sequence of ["id", "batch", "turn"]) {
					await database.run("SELECT setval($1::regclass, $2::bigint)", [`eventferry.${sequence}`, next]);
				}
				await database.run(
					`SELECT setval(pg_get_serial_sequence('eventferry.dead_letter', 'id'), (
						SELECT coalesce(max(id), 0) + 1 FROM eventferry.dead_letter))`,
				);
				// The source is marked first, so that proxies can never open both.
				source.exec(`PRAGMA user_version = ${moved}`);
				await database.run("UPDATE eventferry.migration SET is_finished = true WHERE step = ''");
			}
			return { rows };
		} finally {
			await database.end();
		}
	} finally {
		close();
	}
}
