import { storeUrl } from "../config/config.ts";
import { migrateStore } from "../outbox/migrate/migrate.ts";
import { isStore, shownStore, sqliteFile } from "../outbox/store-url.ts";
import { type Command, UsageError } from "./command.ts";
import { counted, err, out, outJson } from "./print.ts";

export const migrateCommand: Command = {
	name: "migrate",
	summary: "moves a store from a file into PostgreSQL",
	options: ["from", "to", "json", "help"],
	help: `Stop the proxy first. Moves undelivered events, dead letters, knowledge of
people, budgets and claims. If it is interrupted, run it again: it continues
where it was. Proxies refuse the database until the move is done, and the file
from then on.

Examples:
  eventferry migrate --from sqlite:./eventferry.db --to postgres://db/shop
`,
	async run(given) {
		const { from = "", to = "" } = given;
		const file = sqliteFile(from);
		if (!file) throw new UsageError("--from must be sqlite: and a file, for example sqlite:./eventferry.db");
		if (!isStore(to) || sqliteFile(to) !== undefined) {
			throw new UsageError("--to must be a PostgreSQL database, for example postgres://user:password@host/database");
		}
		let table = "";
		const { rows } = await migrateStore(file, storeUrl(to), (progress) => {
			if (progress.table !== table) err(`${progress.table} …\n`);
			table = progress.table;
		});
		if (given.json) outJson({ ok: true, rows, store: shownStore(to) });
		else out(`${counted(rows, "row")} moved; from now on use EVENTFERRY_STORE=${shownStore(to)}\n`);
		return 0;
	},
};
