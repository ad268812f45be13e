/**
 * Loaded before the server by `--import`: opens the store with `synchronous` NORMAL in place of FULL. Never do this,
 * because a power loss may then undo commits: https://www.sqlite.org/pragma.html#pragma_synchronous
 */
import { DatabaseSync } from "node:sqlite";

const { exec } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (sql) {
	return exec.call(this, sql.replace(/(PRAGMA synchronous\s*=\s*)FULL/, "$1NORMAL"));
};
