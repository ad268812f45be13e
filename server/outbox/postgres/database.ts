import { StoreOpenError } from "../errors.ts";
import { connect, type Database } from "./connection.ts";
import { prepare } from "./schema.ts";

/** Connects to a database and prepares it. Rejects with {@link StoreOpenError}. */
export async function openDatabase(url: string): Promise<Database> {
	const database = await connect(url);
	try {
		await prepare(database);
		return database;
	} catch (error) {
		await database.end();
		if (error instanceof StoreOpenError) throw error;
		const why = error instanceof Error ? error.message : String(error);
		throw new StoreOpenError(`the database cannot be used: ${why}`, { cause: error });
	}
}
