import { afterEach, beforeEach, expect, it } from "vitest";
import type { IngestSite } from "../../../server/ingest/ingest.ts";
import { type Outbox, StoreUnavailableError } from "../../../server/outbox/outbox.ts";
import { openSqlite } from "../../../server/outbox/sqlite/open.ts";
import type { Translated } from "../../../server/segment/translate.ts";
import { createUserIds } from "../../../server/segment/user-ids.ts";
import { temporaryFolder } from "../../support/served.ts";

const site = { name: "site" } as IngestSite;
const call = (userId: string, email?: string): Translated => ({
	event: {},
	person: { userId, ...(email !== undefined && { email }) },
	isIdentify: email !== undefined,
});

let folder: ReturnType<typeof temporaryFolder>;
let outbox: Outbox;
/** Settled by a test, before which no link is stored. */
let gate: PromiseWithResolvers<void>;
let addEmails: ReturnType<typeof createUserIds>;
beforeEach(async () => {
	folder = temporaryFolder();
	outbox = await openSqlite(`${folder.path}/store.db`);
	gate = Promise.withResolvers();
	const slow: Outbox = { ...outbox, link: (request) => gate.promise.then(() => outbox.link(request)) };
	addEmails = createUserIds(() => slow, Date.now);
});
afterEach(async () => {
	await outbox.close();
	folder.remove();
});

it("waits for the links of earlier requests that are not on disk yet", async () => {
	const identified = await addEmails(site, [call("u-1", "Ada@example.com")]);
	const track = call("u-1");
	const adding = addEmails(site, [track]);
	gate.resolve();
	await Promise.all([identified.storing, adding]);
	expect(track.person.email).toBe("ada@example.com");
});

it("tells of links that cannot be stored, and goes on with the next request", async () => {
	const identified = await addEmails(site, [call("u-1", "ada@example.com")]);
	gate.reject(new StoreUnavailableError("no disk"));
	await expect(identified.storing).rejects.toThrow("no disk");
	const track = call("u-1");
	await addEmails(site, [track]);
	expect(track.person.email).toBeUndefined();
});

it("asks the store nothing for calls that name an e-mail, or nobody", async () => {
	const asked = createUserIds(() => {
		throw new Error("the store is not needed");
	}, Date.now);
	const named = { ...call("u-1", "ada@example.com"), isIdentify: false };
	await asked(site, [named, call("\u200b"), { ...call("u"), person: {} }]);
	expect(named.person.email).toBe("ada@example.com");
});
