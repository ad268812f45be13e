/** `--import`ed before the server: opens the store as ever, but for `synchronous`, which is NORMAL. Never do this. */
import { DatabaseSync } from "node:sqlite";

const { exec } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (sql) {
	return exec.call(this, sql.replace(/(PRAGMA synchronous\s*=\s*)FULL/, "$1NORMAL"));
};
