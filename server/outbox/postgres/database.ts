import { StoreOpenError } from "../errors.ts";
import { connect, type Database } from "./connection.ts";
import { type Prepared, prepare } from "./schema.ts";

/** Number of times that a start tries to prepare the database, as the line to it may break, or a pooler restart. */
const tries = 2;

async function opened(url: string, isPatient: boolean): Promise<{ database: Database; prepared: Prepared }> {
	const database = await connect(url, { isPatient });
	for (let tried = 1; ; tried += 1) {
		try {
			return { database, prepared: await prepare(database, { isPatient }) };
		} catch (error) {
			const isRefusal = error instanceof StoreOpenError;
			if (!isRefusal && tried < tries) continue;
			await database.end();
			if (isRefusal) throw error;
			const why = error instanceof Error ? error.message : String(error);
			throw new StoreOpenError(`the database cannot be used: ${why}`, { cause: error });
		}
	}
}

/** Connects to a database and prepares it. Rejects with {@link StoreOpenError}. */
export const openDatabase = async (url: string): Promise<Database> => (await opened(url, false)).database;

/** Brings the schema of a database up to date, however long that takes. Rejects with {@link StoreOpenError}. */
export async function upgradeDatabase(url: string): Promise<Prepared> {
	const { database, prepared } = await opened(url, true);
	await database.end();
	return prepared;
}
