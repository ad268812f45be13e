import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openDatabase } from "../../../../server/outbox/postgres/database.ts";
import { type Cluster, startPostgres } from "../../../support/postgres.ts";

let cluster: Cluster;
beforeAll(async () => {
	cluster = await startPostgres();
});
afterAll(() => cluster.stop());

/** Starts a line to the cluster that cuts some connections as soon as the server has answered `answers` times. */
async function startLine(cuts: number, answers: number) {
	let connections = 0;
	const server = createServer((client) => {
		connections += 1;
		const isCut = connections <= cuts;
		const upstream = connect(cluster.port, "127.0.0.1");
		let answered = 0;
		for (const socket of [client, upstream]) socket.on("error", () => {});
		client.pipe(upstream);
		upstream.on("data", (data) => {
			answered += 1;
			if (isCut && answered > answers) client.destroy();
			else client.write(data);
		});
		client.on("close", () => upstream.destroy());
		upstream.on("close", () => client.destroy());
	}).listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return { port, connections: () => connections, close: () => server.close() };
}

const through = async (port: number) => (await cluster.database()).replace(`:${cluster.port}/`, `:${port}/`);

it.each([0, 1, 2, 3, 4, 5])("a start survives a line that breaks after %i answers", async (answers) => {
	const line = await startLine(1, answers);
	const database = await openDatabase(await through(line.port));
	await expect(database.run("SELECT revision FROM eventferry.schema")).resolves.toHaveLength(1);
	expect(line.connections()).toBe(2);
	await database.end();
	line.close();
});

it("a start does not survive a line that breaks each time", async () => {
	const line = await startLine(Number.POSITIVE_INFINITY, 2);
	await expect(openDatabase(await through(line.port))).rejects.toThrow(/^the database cannot be used: /);
	line.close();
});
