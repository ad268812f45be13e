/**
 * Loads Node's SQLite without the warning of older Nodes that it is experimental: stderr is for log lines, and the
 * commands' own words.
 */
export async function importSqlite(): Promise<typeof import("node:sqlite")> {
	const { emitWarning } = process;
	process.emitWarning = () => {};
	try {
		return await import("node:sqlite");
	} finally {
		process.emitWarning = emitWarning;
	}
}
