import { afterAll, describe } from "vitest";
import { openSqlite } from "../../../server/outbox/sqlite/open.ts";
import { temporaryFolder } from "../../support/served.ts";
import { modelSuite, type Real } from "./model-suite.ts";

const folders: ReturnType<typeof temporaryFolder>[] = [];
afterAll(() => {
	for (const { remove } of folders) remove();
});

describe("the SQLite outbox", () => {
	modelSuite(async () => {
		const folder = temporaryFolder();
		folders.push(folder);
		const file = `${folder.path}/store.db`;
		const real: Real = {
			outbox: await openSqlite(file),
			async reopen() {
				await real.outbox.close();
				return openSqlite(file);
			},
		};
		return real;
	});
});
