import { cpSync, mkdirSync } from "node:fs";
import { Agent, createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { openOutbox } from "../../server/outbox/open.ts";
import { personKey } from "../../server/stored-event.ts";
import { type Served, serve, temporaryFolder } from "../support/served.ts";
import { randomUpTo } from "./connections.ts";
import { compilePreload } from "./preload.ts";

/** Number of events to acknowledge: `npm run test:faults -- --events N`. */
const wanted = Number(process.env.EVENTFERRY_FAULT_EVENTS ?? 10_000);
const batchSize = 50;
const connections = 8;
/** Number of people per connection, which posts a batch for each of them in turn. */
const peoplePerConnection = 25;
/** Largest number of 202s before the proxy is ended. */
const answersPerRound = Math.ceil(Math.min(wanted / 2, 40_000) / batchSize);
/** Number of ends per store. A new store follows, so that copying the disk stays cheap. */
const roundsPerStore = 5;

interface Posted {
	name: string;
	acknowledged: boolean;
}
interface Person {
	email: string;
	posted: Posted[];
	arrived: string[];
}

/** Starts a provider that accepts everything and calls `take` for each event. */
async function startProvider(take: (email: string, name: string) => void): Promise<{ server: Server; url: string }> {
	const server = createServer(async (incoming, response) => {
		const chunks: Buffer[] = [];
		for await (const chunk of incoming) chunks.push(chunk);
		const email = /\/people\/events\/([^/]+)$/.exec(incoming.url ?? "")?.[1];
		if (email) take(decodeURIComponent(email), JSON.parse(Buffer.concat(chunks).toString()).text);
		response.writeHead(200, { "content-type": "application/json" }).end('{"error":false,"reason":"ok","data":{}}');
	});
	await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
	return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function post(agent: Agent, url: string, events: unknown[]): Promise<number> {
	return new Promise((resolve, reject) => {
		const headers = { "content-type": "application/json", authorization: "Bearer server-key" };
		const sent = request(`${url}/v1/events`, { method: "POST", agent, headers }, (response) => {
			response.resume();
			response.once("end", () => resolve(response.statusCode ?? 0));
			response.once("error", reject);
		});
		sent.once("error", reject).end(JSON.stringify({ events }));
	});
}

const { library, reason, remove } = compilePreload("powerloss");
afterAll(remove);

describe(`${wanted} acknowledged events`, () => {
	let folder: ReturnType<typeof temporaryFolder>;
	let provider: Awaited<ReturnType<typeof startProvider>>;
	let proxy: Served | undefined;
	let people: Map<string, Person>;
	let serial = 0;
	beforeEach(async () => {
		folder = temporaryFolder();
		people = new Map();
		provider = await startProvider((email, name) => people.get(email)?.arrived.push(name));
	});
	afterEach(async () => {
		await proxy?.kill();
		provider.server.closeAllConnections();
		provider.server.close();
		folder.remove();
	});

	const environment = (store: string) => ({
		PATH: process.env.PATH ?? "",
		PORT: "0",
		EVENTFERRY_WRITE_KEY: "site_volume",
		EVENTFERRY_ORIGINS: "https://shop.example",
		EVENTFERRY_SERVER_KEY: "server-key",
		EVENTFERRY_ADMIN_TOKEN: "admin-token",
		EVENTFERRY_STORE: `sqlite:${store}`,
		CRISP_WEBSITE_ID: "website",
		CRISP_IDENTIFIER: "identifier",
		CRISP_KEY: "key",
		CRISP_BASE_URL: provider.url,
		CRISP_DAILY_BUDGET: "1000000000",
	});

	function newPeople(): void {
		const emails = Array.from({ length: connections * peoplePerConnection }, (_, index) => `v${index}@volume.example`);
		people = new Map(emails.map((email) => [email, { email, posted: [], arrived: [] }]));
	}

	/** Posts over all connections, kills the proxy after `answers` 202s; resolves to the number of acknowledged events. */
	async function postUntilGone(running: Served, answers: number): Promise<number> {
		const agent = new Agent({ keepAlive: true, maxSockets: connections });
		let acknowledged = 0;
		let isGone: Promise<void> | undefined;
		async function connection(first: number): Promise<void> {
			const own = [...people.values()].slice(first * peoplePerConnection, (first + 1) * peoplePerConnection);
			for (let turn = 0; ; turn += 1) {
				const { email, posted } = own[turn % own.length] ?? expect.fail("a connection has no people");
				const batch = Array.from({ length: batchSize }, () => ({ name: String(++serial), acknowledged: false }));
				posted.push(...batch);
				const at = Date.now();
				const events = batch.map(({ name }) => ({
					...{ id: crypto.randomUUID(), type: "track", name, at, person: { email } },
					data: { productId: "sku-10442", title: "Espresso machine Deluxe", price: 249.9, currency: "EUR" },
				}));
				const status = await post(agent, running.url, events).catch((error) => {
					if (!isGone) throw error;
				});
				if (status === undefined) return;
				expect(status).toBe(202);
				for (const each of batch) each.acknowledged = true;
				acknowledged += batch.length;
				if (acknowledged >= answers * batchSize) isGone ??= running.kill();
			}
		}
		await Promise.all(Array.from({ length: connections }, (_, index) => connection(index)));
		await isGone;
		agent.destroy();
		return acknowledged;
	}

	/**
	 * Expects that each person's acknowledged events arrived or are owed, in the order posted, and every repeat right
	 * after its original. An event without a 202 may be stored or not.
	 */
	async function expectAll(store: string): Promise<void> {
		const outbox = await openOutbox(`sqlite:${store}`);
		try {
			await expect.poll(async () => (await outbox.stats()).journal, { timeout: 60_000 }).toBe(0);
			const { destinations: found, stuck } = await outbox.stats();
			expect(stuck).toBe(0);
			const destinations = found.map(({ destination }) => destination);
			for (const { email, posted, arrived } of people.values()) {
				const owed = await outbox.findOwed({
					destinations,
					people: [personKey({ email }) ?? ""],
					limit: posted.length,
				});
				const all = [...arrived, ...owed.map(({ body }) => JSON.parse(body).event.name)];
				const once = all.filter((name, index) => name !== all[index - 1]);
				const stored = new Set(once);
				const due = posted.filter(({ name, acknowledged }) => acknowledged || stored.has(name));
				const lost = due.filter(({ name }) => !stored.has(name));
				expect(lost, `lost of ${email}`).toEqual([]);
				expect(once, `of ${email}`).toEqual(due.map(({ name }) => name));
			}
		} finally {
			await outbox.close();
		}
	}

	/**
	 * Starts a proxy, posts and ends it, until enough events are acknowledged. `survivor` returns the store that is left
	 * after the end of a proxy.
	 */
	async function endAgainAndAgain(
		kind: string,
		start: (store: string) => Promise<Served>,
		survivor: (store: string) => string = (store) => store,
	): Promise<void> {
		const startedAt = performance.now();
		let acknowledged = 0;
		let ends = 0;
		let store = "";
		while (acknowledged < wanted) {
			const isFirst = ends % roundsPerStore === 0;
			if (isFirst) {
				newPeople();
				mkdirSync(`${folder.path}/${ends}`);
				store = `${folder.path}/${ends}/store.db`;
			}
			proxy = await start(store);
			acknowledged += await postUntilGone(proxy, randomUpTo(answersPerRound));
			store = survivor(store);
			ends += 1;
			if (ends % roundsPerStore === 0 || acknowledged >= wanted) await expectAll(store);
			const seconds = Math.round((performance.now() - startedAt) / 1_000);
			process.stderr.write(`${kind}: ${ends} times, ${acknowledged} of ${wanted} events acknowledged, ${seconds} s\n`);
		}
	}

	const patience = 60_000 + wanted * 2;

	it(
		"survive kill -9 again and again, in order",
		() => endAgainAndAgain("kill -9", (store) => serve(environment(store))),
		patience,
	);

	it.skipIf(library === undefined)(
		`survive a power loss again and again, in order${reason && ` (skipped: ${reason})`}`,
		async () => {
			const shadows = new Map<string, string>();
			let disks = 0;
			const folderOf = (store: string) => store.replace(/\/store\.db$/, "");
			await endAgainAndAgain(
				"power loss",
				(store) => {
					const shadow = `${folder.path}/disk ${++disks}`;
					// Copy the files first: they survive the next power loss as they are now.
					cpSync(folderOf(store), shadow, { recursive: true });
					shadows.set(store, `${shadow}/store.db`);
					const simulated = { LD_PRELOAD: library ?? "", POWERLOSS_DIR: folderOf(store), POWERLOSS_SHADOW: shadow };
					return serve({ ...environment(store), ...simulated });
				},
				(store) => shadows.get(store) ?? store,
			);
		},
		patience,
	);
});
