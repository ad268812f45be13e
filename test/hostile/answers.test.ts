import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, expect } from "vitest";
import type { Fault } from "../../server/sandbox/index.ts";
import { adminToken, event } from "../support/proxy.ts";
import { type Built, memoryOf, threats } from "./built.ts";

const MB = 1_048_576;

/** Starts a server that answers as a listener says. */
async function listening(answer: RequestListener): Promise<{ server: Server; url: string }> {
	const server = createServer(answer).listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	return { server, url: `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}` };
}

/** Answer of the simulated provider to the next request. */
let answer: RequestListener = (_request, response) => void response.end();
const provider = await listening((request, response) => answer(request, response));
/** Requests to a server that is not the provider's. */
const elsewhere: string[] = [];
const collector = await listening((request, response) => {
	elsewhere.push(`${request.method} ${request.url} ${request.headers.authorization}`);
	response.end("{}");
});
afterAll(() => {
	for (const { server } of [provider, collector]) {
		server.close();
		server.closeAllConnections();
	}
});

const ok: RequestListener = (_request, response) => {
	response.setHeader("content-type", "application/json").end('{"results":{}}');
};
/** Sends an event. `first` answers the first request, all others succeed. Expects the event to be delivered. */
async function survives({ batch, settled }: Built, first: RequestListener): Promise<void> {
	const { events, destinations } = await settled(0);
	const delivered = destinations.vibetrace?.delivered ?? 0;
	answer = (request, response) => {
		answer = ok;
		first(request, response);
	};
	await batch(event());
	const after = await settled(events + 1);
	expect(after.destinations.vibetrace).toMatchObject({ delivered: delivered + 1, dead: 0 });
}

threats(
	"answers of providers",
	{
		site: {
			...{ crisp: undefined, helpcrunch: undefined },
			vibetrace: { apiKey: "vibetrace-key", baseUrl: `${provider.url}/v1` },
		},
	},
	{
		"a provider's answer has no end": async (built) => {
			let written = 0;
			const chunk = Buffer.alloc(65_536, 32);
			await survives(built, (_request, response) => {
				const more = () => {
					while (!response.destroyed && written < 200 * MB) {
						written += chunk.length;
						if (!response.write(chunk)) return void response.once("drain", more);
					}
					response.end();
				};
				more();
			});
			expect(written).toBeLessThan(50 * MB);
		},
		"a provider's small answer becomes a large one when it is unpacked": async (built) => {
			const before = memoryOf(built);
			const bomb = gzipSync(Buffer.alloc(300 * MB, 32));
			await survives(built, (_request, response) => {
				response.setHeader("content-encoding", "gzip").end(bomb);
			});
			expect(memoryOf(built) - before).toBeLessThan(150 * MB);
		},
		"a provider answers slowly, or never": async (built) => {
			const startedAt = Date.now();
			let closedAfter = Number.POSITIVE_INFINITY;
			await built.settled(0);
			answer = (_request, response) => {
				answer = ok;
				response.write("{");
				response.once("close", () => {
					closedAfter = Date.now() - startedAt;
				});
			};
			await built.batch(event());
			await expect.poll(() => closedAfter, { timeout: 60_000, interval: 100 }).toBeLessThan(60_000);
			await built.settled(0);
		},
		"a provider sends our key elsewhere by a redirect": async (built) => {
			for (const status of [301, 302, 307, 308]) {
				await survives(built, (_request, response) => {
					response.writeHead(status, { location: `${collector.url}/${status}` }).end();
				});
			}
			expect(elsewhere).toEqual([]);
		},
		"a provider's answer is a page, or reaches an object's prototype": async ({ batch, settled, admin }) => {
			const { events } = await settled(0);
			const page = "<script>alert(1)</script>";
			answer = (_request, response) => {
				answer = ok;
				const body = `{"__proto__":{"polluted":1},"errors":[{"message":"${page}","__proto__":{"polluted":1}}]}`;
				response.writeHead(400, { "content-type": "text/html" }).end(body);
			};
			await batch(event());
			await settled(events + 1);
			const response = await admin("/deadletters");
			expect(response.headers.get("content-type")).toMatch(/^application\/json/);
			expect(response.headers.get("x-content-type-options")).toBe("nosniff");
			const { items } = (await response.json()) as { items: object[] };
			expect(items).toHaveLength(1);
			expect(JSON.stringify(items)).toContain(page);
			expect(JSON.stringify(items)).not.toContain("polluted");
		},
		"a provider is spoken to in the clear": async () => {
			const command = process.env.EVENTFERRY_COMMAND ?? "dist/server/cli.js";
			const env = {
				...{ PATH: process.env.PATH, EVENTFERRY_WRITE_KEY: "site", EVENTFERRY_ORIGINS: "https://shop.example" },
				...{ VIBETRACE_API_KEY: "key", EVENTFERRY_ADMIN_TOKEN: adminToken },
			};
			for (const url of [
				"http://api.vtcdn.net/v1",
				"http://127.0.0.1.evil.example/v1",
				"http://localhost@evil.example/v1",
			]) {
				const checked = promisify(execFile)(process.execPath, [command, "check"], {
					env: { ...env, VIBETRACE_BASE_URL: url },
				});
				await expect(checked, url).rejects.toMatchObject({
					code: 2,
					stderr: expect.stringContaining("VIBETRACE_BASE_URL"),
				});
			}
		},
	},
);

/** Answers of a provider, or of a firewall before it, that refuse one request and could stop the whole destination. */
const refusals: Fault[] = [
	{ status: 403, body: "<html>Blocked</html>", contentType: "text/html" },
	{ status: 401, body: { error: true, reason: "invalid_session" } },
	{ status: 402, body: { error: true, reason: "payment_required" } },
	{ status: 500, body: "" },
	{ status: 422, body: { error: true, reason: "data_limit_exceeded" } },
	{ status: 403, body: { error: true, reason: "not_subscribed" } },
];

threats(
	"refusals of one event",
	{ site: { helpcrunch: undefined, vibetrace: undefined } },
	{
		"an event that a provider refuses stops everybody's": async ({ batch, sandbox }) => {
			for (const [turn, fault] of refusals.entries()) {
				sandbox.clear();
				const address = (name: string, n: number) => `${name}-${turn}-${n}@example.com`;
				for (const name of ["poisoned", "honest"])
					for (let n = 0; n < 50; n += 1) sandbox.addPerson("crisp", { email: address(name, n) });
				sandbox.fault("crisp", { ...fault, path: /poisoned/ });
				const of = (name: string, n: number) => event({ person: { email: address(name, n) } });
				await batch(...Array.from({ length: 20 }, (_, n) => of("poisoned", n)));
				await batch(...Array.from({ length: 50 }, (_, n) => of("honest", n)));
				await sandbox.until(
					(requests) => {
						const delivered = requests.filter(({ path, status }) => path.includes("honest") && status === 200);
						return delivered.length >= 48;
					},
					{ destination: "crisp" },
				);
			}
		},
		"a provider refuses to create one kind of people, or all": async ({ admin, batch, sandbox, url }) => {
			const crisp = async () => (await (await admin("/stats")).json()).destinations.crisp;
			sandbox.clear();
			sandbox.addPerson("crisp", { email: "known@example.com" });
			sandbox.fault("crisp", {
				status: 403,
				body: { error: true, reason: "not_allowed" },
				method: "POST",
				path: /profile$/,
			});
			const { dead } = await crisp();
			for (let n = 0; n < 5; n += 1) await batch(event({ person: { email: `unknown${n}@example.com` } }));
			await batch(...Array.from({ length: 5 }, () => event({ person: { email: "known@example.com" } })));
			await sandbox.until(
				(requests) => requests.filter(({ path, status }) => path.includes("known%40") && status === 200).length >= 5,
				{ destination: "crisp" },
			);
			const { warnings } = (await (await fetch(`${url}/readyz`)).json()) as { warnings: object[] };
			expect(warnings).toContainEqual({ code: "creation_refused", destination: "crisp", reason: "not_allowed" });
			expect(await crisp()).toMatchObject({ state: "running", dead, creationHold: { reason: "not_allowed" } });
		},
	},
);
