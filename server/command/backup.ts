import { sizeText } from "../../shared/size.ts";
import { loadStore } from "../config/config.ts";
import { backupStore } from "../outbox/sqlite/backup.ts";
import { shownStore, sqliteFile } from "../outbox/store-url.ts";
import { type Command, UsageError } from "./command.ts";
import { out, outJson } from "./print.ts";
import { overridesOf } from "./serve.ts";

export const backupCommand: Command = {
	name: "backup",
	operands: "FILE",
	maxOperands: 1,
	summary: "copies the store into a file, while the proxy runs",
	options: ["store", "config", "json", "help"],
	help: `Copies the store as it is at one moment, with all that waits: events, dead
letters, claims and budgets. Runs beside the proxy, on the machine that has the
file, and holds nobody up. Only the file's owner may read the copy, which has
personal data. Overwrites nothing.

To restore it, stop the proxy and start it with --store sqlite:FILE. To give it
the old name, first remove the old file with its -wal and -shm. What had been
delivered since the backup is delivered again then.

For PostgreSQL use its own tools: pg_dump --schema=eventferry.

Variables, each also as NAME_FILE:
  EVENTFERRY_STORE

Examples:
  eventferry backup /backup/eventferry-$(date +%F).db
  eventferry serve --store sqlite:/backup/eventferry-2026-11-28.db
`,
	async run(given) {
		const [copy] = given.operands;
		if (!copy) throw new UsageError("backup needs the name of a new file: eventferry backup FILE");
		const store = await loadStore({ file: given.config, overrides: overridesOf(given) });
		const file = sqliteFile(store);
		if (file === undefined) {
			throw new UsageError(
				`the store is ${shownStore(store)}: back it up with pg_dump --schema=eventferry, as backup copies files of SQLite`,
			);
		}
		const bytes = await backupStore(file, copy);
		if (given.json) outJson({ ok: true, file: copy, bytes });
		else out(`${copy} has ${shownStore(store)} as it is now: ${sizeText(bytes)}\n`);
		return 0;
	},
};
