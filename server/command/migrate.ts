import { storeUrl } from "../config/config.ts";
import { migrateStore } from "../outbox/migrate/migrate.ts";
import { upgradeStore } from "../outbox/migrate/upgrade.ts";
import { isStore, shownStore, sqliteFile } from "../outbox/store-url.ts";
import { type Arguments, type Command, UsageError } from "./command.ts";
import { counted, err, out, outJson } from "./print.ts";

async function move({ from = "", to = "", json }: Arguments): Promise<void> {
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
	if (json) outJson({ ok: true, rows, store: shownStore(to) });
	else out(`${counted(rows, "row")} moved; from now on use EVENTFERRY_STORE=${shownStore(to)}\n`);
}

async function upgrade({ from, to = "", json }: Arguments): Promise<void> {
	if (from !== undefined) throw new UsageError("--schema takes no --from: it changes the store of --to");
	if (!isStore(to)) throw new UsageError("--to must be a store, for example postgres://user:password@host/database");
	const { older } = await upgradeStore(storeUrl(to));
	if (json) return outJson({ ok: true, store: shownStore(to), older });
	out(`${shownStore(to)} is up to date\n`);
	if (older > 0) {
		out(
			`${counted(older, "proxy", "proxies")} of the version before may still use it: run this again once none does\n`,
		);
	}
}

export const migrateCommand: Command = {
	name: "migrate",
	summary: "moves a store from a file into PostgreSQL, or brings one up to date",
	options: ["from", "to", "schema", "json", "help"],
	help: `Stop the proxy first. Moves undelivered events, dead letters, knowledge of
people, budgets and claims. If it is interrupted, run it again: it continues
where it was. Proxies refuse the database until the move is done, and the file
from then on.

--schema brings the store at --to up to date with this version, before its first
proxy starts, which does the same but has only seconds for it. In PostgreSQL,
proxies of the version before go on meanwhile. Run it again when they are gone.

Examples:
  eventferry migrate --from sqlite:./eventferry.db --to postgres://db/shop
  eventferry migrate --schema --to postgres://db/shop
`,
	async run(given) {
		await (given.schema ? upgrade(given) : move(given));
		return 0;
	},
};
