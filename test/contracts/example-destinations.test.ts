import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FunctionDestination, loadConfig } from "../../server/index.ts";
import { testDestination } from "../../server/sandbox/index.ts";
import { listen } from "../bench/listen.ts";
import { type Cluster, startPostgres } from "../support/postgres.ts";
import { event, runProxy, serverKey } from "../support/proxy.ts";
import { temporaryFolder } from "../support/served.ts";

const load = async <Make>(file: string, name: string): Promise<Make> =>
	(await import(pathToFileURL(resolve("examples/destinations", file)).href))[name];
const slack = await load<(url: string) => FunctionDestination>("slack.mjs", "slack");
const csvFile = await load<(file: string) => FunctionDestination>("csv-file.mjs", "csvFile");
const postgresRows = await load<(url: string) => FunctionDestination>("postgres-rows.mjs", "postgresRows");
const jsonAddress = await load<(api: { url: string; token: string }) => FunctionDestination>(
	"json-address.mjs",
	"jsonAddress",
);

let cluster: Cluster;
let folder: ReturnType<typeof temporaryFolder>;
beforeAll(async () => {
	cluster = await startPostgres();
	folder = temporaryFolder();
});
afterAll(async () => {
	await cluster.stop();
	folder.remove();
});

const person = { email: "ada@example.com" };
const purchase = event({
	type: "confirmation",
	name: undefined,
	person,
	data: { orderId: "=A<!channel>", total: 99.9, note: 'a "quote"\n\u0000' },
});
const played = event({ name: "played", person, data: { level: 3 } });

/** Delivers a purchase and another event, and forgets the person. */
async function deliver(destination: FunctionDestination): Promise<string> {
	const running = await runProxy({ site: { crisp: undefined, destinations: { own: destination } } as object });
	await running.batch(purchase, played);
	const { destinations } = await running.settled(2);
	expect(destinations.own).toMatchObject({ dead: 0, waiting: 0 });
	const answer = await fetch(`${running.url}/v1/people`, {
		method: "DELETE",
		headers: { authorization: `Bearer ${serverKey}`, "content-type": "application/json" },
		body: JSON.stringify(person),
	});
	const forgotten = (await answer.json()) as { destinations: { own: { profile: string } } };
	await running.stop();
	return forgotten.destinations.own.profile;
}

/** Starts a server that records its requests. */
async function recorded() {
	const received: [request: string, headers: NodeJS.Dict<string | string[]>, body: string][] = [];
	const server = createServer(async (request, response) => {
		let body = "";
		for await (const chunk of request) body += chunk;
		received.push([`${request.method} ${request.url}`, request.headers, body]);
		response.end("ok");
	});
	return { url: await listen(server), received, close: () => server.close() };
}

describe("examples/destinations", () => {
	test("has files of 30 lines at most", () => {
		const files = readdirSync("examples/destinations");
		expect(files).toHaveLength(4);
		for (const file of files)
			expect(readFileSync(join("examples/destinations", file), "utf8").trimEnd().split("\n").length).toBeLessThan(31);
	});

	test("slack.mjs posts purchases, in which nothing is a mention", async () => {
		await testDestination(slack("https://hooks.slack.example/services/T/B/x"));
		const { url, received, close } = await recorded();
		expect(await deliver(slack(url))).toBe("not_supported");
		expect(received.map(([, , body]) => JSON.parse(body))).toEqual([
			{ text: "ada@example.com bought =A&lt;!channel&gt; for 99.9" },
		]);
		close();
	});

	test("json-address.mjs posts events with their ids, and deletes a person", async () => {
		await testDestination(jsonAddress({ url: "https://api.example/v1", token: "token" }));
		const { url, received, close } = await recorded();
		expect(await deliver(jsonAddress({ url, token: "token" }))).toBe("deleted");
		expect(received.map(([request]) => request)).toEqual([
			"POST /events",
			"POST /events",
			"DELETE /people/ada%40example.com",
		]);
		expect(received[0]?.[1]).toMatchObject({ authorization: "Bearer token", "idempotency-key": purchase.id });
		expect(JSON.parse(received[1]?.[2] ?? "")).toMatchObject({ id: played.id, name: "played", data: { level: 3 } });
		close();
	});

	test("csv-file.mjs appends lines whose cells no spreadsheet runs", async () => {
		await testDestination(csvFile(join(folder.path, "test.csv")));
		const file = join(folder.path, "events.csv");
		expect(await deliver(csvFile(file))).toBe("not_supported");
		const lines = (await readFile(file, "utf8")).split("\n");
		expect(lines).toHaveLength(3);
		expect(lines[0]).toMatch(
			`"${purchase.id}","${new Date(purchase.at as number).toISOString()}","confirmation","ada@example.com","{""orderId"":`,
		);
		expect(lines[1]).toMatch('"played","ada@example.com","{""level"":3}"');
	});

	test("postgres-rows.mjs adds each event once, and deletes a person's", async () => {
		const url = await cluster.database();
		const database = new URL(url).pathname.slice(1);
		const [, table = ""] =
			/(CREATE TABLE .*)/.exec(readFileSync("examples/destinations/postgres-rows.mjs", "utf8")) ?? [];
		await cluster.run(table, database);
		await testDestination(postgresRows(url));
		await cluster.run("TRUNCATE events", database);
		const destination = postgresRows(url);
		expect(await deliver({ ...destination, remove: undefined } as FunctionDestination)).toBe("not_supported");
		const rows = await cluster.run("SELECT id, type, person, event::text FROM events ORDER BY type", database);
		expect(rows).toMatchObject([
			{ id: purchase.id, type: "confirmation", person: "ada@example.com" },
			{ id: played.id, type: "played", event: expect.stringContaining('"level":3') },
		]);
		expect(await deliver(destination)).toBe("deleted");
		expect(await cluster.run("SELECT FROM events", database)).toEqual([]);
		await cluster.run(
			"INSERT INTO events (id, person) VALUES (gen_random_uuid(), 'ada@example.com'), (gen_random_uuid(), '7')",
			database,
		);
		await destination.remove?.({ email: "ada@example.com", userId: "7" }, {} as never);
		expect(await cluster.run("SELECT person FROM events", database)).toEqual([]);
	});

	test("are taken by a configuration", async () => {
		const destinations = { slack: slack("https://hooks.example/x"), file: csvFile("events.csv") };
		const defaults = { sites: [{ writeKey: "site_shop", origins: ["https://shop.example"], destinations }] };
		const { sites } = await loadConfig({ file: false, env: {}, defaults });
		expect(Object.keys(sites[0]?.destinations ?? {})).toEqual(["slack", "file"]);
	});
});
