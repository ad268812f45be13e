import { randomBytes } from "node:crypto";
import { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSqlite } from "../../server/outbox/sqlite/open.ts";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import type { StoredEvent } from "../../server/stored-event.ts";
import { delivered, postEvents, type Served, serve, temporaryFolder, track } from "../support/served.ts";
import { crispEnvironment, rounds } from "./connections.ts";

let sandbox: Sandbox;
let folder: ReturnType<typeof temporaryFolder>;
let proxy: Served | undefined;
beforeEach(async () => {
	sandbox = await startSandbox();
	folder = temporaryFolder();
	sandbox.addPerson("crisp", { email: "ada@example.com" });
});
afterEach(async () => {
	await proxy?.kill();
	await sandbox.stop();
	folder.remove();
});

const arrived = () =>
	sandbox
		.requests("crisp")
		.filter(({ path, status }) => path.includes("/people/events/") && status === 200)
		.map(({ body }) => (body as { text: string }).text);

/** Resolves to the names of the events that a store owes Ada at Crisp, in order. */
async function owedIn(file: string): Promise<string[]> {
	const outbox = await openSqlite(file);
	try {
		// The store answers between two transactions of the fan-out, so the loop does not block the fan-out.
		while ((await outbox.stats()).journal > 0);
		const owed = await outbox.findOwed({
			destinations: [{ site: "site_test", name: "crisp" }],
			people: ["email:ada@example.com"],
			limit: 1_000,
		});
		return owed.map(({ body }) => (JSON.parse(body) as StoredEvent).event).map(nameOf);
	} finally {
		await outbox.close();
	}
}
const nameOf = (event: StoredEvent["event"]) => (event.type === "track" ? event.name : event.type);

/** Possible states of bytes after `cut`, which were not synced before a power loss. */
const tears: Record<string, (bytes: Buffer, cut: number) => Buffer> = {
	missing: (bytes, cut) => bytes.subarray(0, cut),
	zeros: (bytes, cut) => bytes.fill(0, cut),
	garbage: (bytes, cut) => Buffer.concat([bytes.subarray(0, cut), randomBytes(bytes.length - cut)]),
	"one bit wrong": (bytes, cut) => {
		bytes[cut] = (bytes[cut] ?? 0) ^ (1 << Math.floor(Math.random() * 8));
		return bytes;
	},
};

describe("a store with torn last writes", () => {
	const names = Array.from({ length: 20 }, (_, index) => String(index));
	let sound: string;
	let acknowledged: number;

	beforeEach(async () => {
		sound = `${folder.path}/sound.db`;
		proxy = await serve(crispEnvironment(sandbox, sound));
		const { status } = await postEvents(
			proxy.url,
			names.map((name) => track(name)),
		);
		// Bytes up to here were synced before the answer; later ones, from deliveries, may not be.
		acknowledged = statSync(`${sound}-wal`).size;
		expect(status).toBe(202);
		await sandbox.until((requests) => requests.length >= 8, { destination: "crisp" });
		await proxy.kill();
		expect(statSync(`${sound}-wal`).size).toBeGreaterThan(acknowledged);
	});

	it(
		"at any byte owes each acknowledged event that did not arrive, in order",
		async () => {
			const { size } = statSync(`${sound}-wal`);
			for (let round = 0; round < rounds; round += 1) {
				for (const [kind, tear] of Object.entries(tears)) {
					const torn = `${folder.path}/torn ${round} ${kind}.db`;
					const cut = acknowledged + Math.floor(Math.random() * (size - acknowledged));
					copyFileSync(sound, torn);
					writeFileSync(`${torn}-wal`, tear(readFileSync(`${sound}-wal`), cut));
					const owed = await owedIn(torn);
					expect(owed, `${kind} from ${cut} of ${size}`).toEqual(names.slice(names.length - owed.length));
					expect(new Set([...arrived(), ...owed]), `${kind} from ${cut} of ${size}`).toEqual(new Set(names));
				}
			}
		},
		20_000 + rounds * 4_000,
	);

	it("continues delivering where it stopped", async () => {
		truncateSync(`${sound}-wal`, acknowledged);
		proxy = await serve(crispEnvironment(sandbox, sound));
		await delivered(proxy.url);
		expect([...new Set(arrived())]).toEqual(names);
	});
});

describe("a second process on the same store", () => {
	it("is refused with advice, and the first goes on undisturbed", async () => {
		const env = crispEnvironment(sandbox, `${folder.path}/store.db`);
		proxy = await serve(env);
		await expect(serve(env)).rejects.toThrow(/another process uses .*store\.db: stop it, or give this one a store/);
		expect((await postEvents(proxy.url, [track("one")])).status).toBe(202);
		await delivered(proxy.url);
		expect(arrived()).toEqual(["one"]);
	});

	it("may start once the first was killed", async () => {
		const env = crispEnvironment(sandbox, `${folder.path}/store.db`);
		const first = await serve(env);
		await first.kill();
		proxy = await serve(env);
		expect((await fetch(`${proxy.url}/readyz`)).status).toBe(200);
	});
});
