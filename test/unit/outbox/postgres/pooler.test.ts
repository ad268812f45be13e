import { once } from "node:events";
import { connect as connectSocket, createServer, type Server } from "node:net";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { connect } from "../../../../server/outbox/postgres/connection.ts";
import { openPostgres } from "../../../../server/outbox/postgres/open.ts";
import { type Cluster, startPostgres } from "../../../support/postgres.ts";

/** Message BackendKeyData up to the process id: https://www.postgresql.org/docs/current/protocol-message-formats.html. */
const backendKey = Buffer.from([0x4b, 0, 0, 0, 12]);

let cluster: Cluster;
let pooler: Server;
let port: number;
beforeAll(async () => {
	cluster = await startPostgres();
	// Like a pooler, it tells clients another process id than that of the session.
	pooler = createServer((near) => {
		const far = connectSocket(cluster.port, "127.0.0.1");
		near.pipe(far);
		far.on("data", (data) => {
			const key = data.indexOf(backendKey);
			if (key >= 0) data.writeUInt32BE(1, key + backendKey.length);
			near.write(data);
		});
		for (const [socket, other] of [
			[near, far],
			[far, near],
		] as const) {
			socket.on("error", () => {});
			socket.on("close", () => other.destroy());
		}
	}).listen(0, "127.0.0.1");
	await once(pooler, "listening");
	const address = pooler.address();
	port = typeof address === "object" && address ? address.port : 0;
});
afterAll(async () => {
	pooler.close();
	await cluster.stop();
});

const limitsNow = `SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
	current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('tcp_user_timeout') AS network`;
const limited = [{ statement: "8s", lock: "6s", idle: "3s", network: "6000" }];
const unlimited = [{ statement: "0", lock: "0", idle: "0", network: "0" }];

it("sets the limits of its own sessions once, and a pooler's in each transaction alone", async () => {
	const url = await cluster.database();
	const own = await connect(url);
	const lent = await connect(Object.assign(new URL(url), { port: String(port) }).href);
	try {
		expect(await own.run(limitsNow)).toEqual(limited);
		expect(await own.write(limitsNow)).toEqual(limited);
		expect(await lent.write(limitsNow)).toEqual(limited);
		expect(await lent.transaction((run) => run(limitsNow))).toEqual(limited);
		expect(await lent.snapshot((run) => run(limitsNow))).toEqual(limited);
		expect(await lent.run(limitsNow)).toEqual(unlimited);
	} finally {
		await Promise.all([own.end(), lent.end()]);
	}
});

it("stores and delivers behind a pooler", async () => {
	const url = await cluster.database();
	const outbox = await openPostgres(Object.assign(new URL(url), { port: String(port) }).href);
	try {
		const event = { person: "ada", body: "1", destinations: ["crisp"], claims: [], rank: 0 };
		await outbox.append({ site: "site", events: [{ ...event, reserved: false, trusted: false }] });
		await vi.waitFor(async () => expect(await outbox.stats()).toMatchObject({ journal: 0, events: 1 }), {
			timeout: 60_000,
		});
	} finally {
		await outbox.close();
	}
});
