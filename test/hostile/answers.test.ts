import { execFile } from "node:child_process";
import { once } from "node:events";
import {
	createServer,
	type IncomingHttpHeaders,
	type IncomingMessage,
	type RequestListener,
	type Server,
} from "node:http";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { isbot } from "isbot";
import { afterAll, expect, test, vi } from "vitest";
import { visible } from "../../server/command/print.ts";
import { checkConfig } from "../../server/config/config.ts";
import { crispError } from "../../server/crisp/error.ts";
import { clientAddress } from "../../server/http/client-address.ts";
import { parseJson } from "../../server/http/exact-json.ts";
import { originAllowed } from "../../server/http/origins.ts";
import { byAddress } from "../../server/http/rate-limit.ts";
import { bearer } from "../../server/http/secret.ts";
import { parseEvent } from "../../server/ingest/parse-event.ts";
import { hiding } from "../../server/observe/hiding.ts";
import { scrub } from "../../server/observe/log.ts";
import { kindOfError } from "../../server/observe/notice-log.ts";
import { buildUrl, retryAfterMs } from "../../server/providers/exchange.ts";
import { createProvider } from "../../server/providers/registry.ts";
import type { Fault } from "../../server/sandbox/index.ts";
import { eventSchema } from "../../shared/event.ts";
import { adminToken, event, serverKey } from "../support/proxy.ts";
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

/** Parts of texts on which an expression could try again from every character. */
const parts = [
	...[
		"x",
		" ",
		"\n",
		"-",
		"_",
		"é",
		"💥",
		"1",
		".",
		",",
		";",
		":",
		"/",
		"?",
		"=",
		"%",
		"@",
		"\\",
		'"',
		"{",
		"[",
		"<",
		"a b ",
	],
	...[
		"?x",
		"?x=",
		"x.",
		"a@",
		"%4",
		"%40",
		"eyJ",
		"eyJ.",
		"eyJa.b",
		"eyJ-",
		"Bearer",
		"Bearer ",
		"Basic ",
		"\\u",
		"\\n",
		'\\"',
	],
	...[
		"\u001b",
		"\u001b[",
		"\u001b]",
		"\u001b[1;",
		"\u001b;a",
		"\u009b",
		"user",
		"user ",
		"e-",
		"limit",
		"bot",
		"http://",
	],
	...[
		"missing event information",
		"validating ",
		"charset",
		";charset",
		"Jan ",
		"\n    at ",
		"::ffff:",
		"1.1.1.1,",
		"a.",
	],
];
const hide = hiding(
	checkConfig({ sites: [{ writeKey: "w", origins: [], vibetrace: { apiKey: "key-of-vibetrace" } }], sandbox: true }),
);
const request = (headers: IncomingHttpHeaders) =>
	({ headers, socket: { remoteAddress: "127.0.0.1" }, connection: { remoteAddress: "127.0.0.1" } }) as IncomingMessage;
const addressOf = clientAddress(1);
const common = { baseUrl: "https://provider.example", createPeople: "always", occurredAt: "never" } as const;
const providers = [
	createProvider("crisp", {
		...common,
		websiteId: "w",
		identifier: "i",
		key: "k",
		tier: "website",
		createFirst: false,
	}),
	createProvider("helpcrunch", { ...common, apiKey: "k" }),
	createProvider("vibetrace", { ...common, apiKey: "k", standardEvents: [] }),
];
/** Has every provider answer a request with an error in these words. */
async function answered(complaint: object): Promise<void> {
	vi.stubGlobal("fetch", async () => Response.json(complaint, { status: 400 }));
	const planned = { purpose: "event", method: "POST", path: ["event"], ifDelivered: {} } as const;
	for (const each of providers) await each.send(planned, new AbortController().signal);
	vi.unstubAllGlobals();
}
/** Everything that looks at foreign text by an expression. */
const readers: [name: string, read: (text: string) => unknown][] = [
	["log texts", scrub],
	["log lines", (text) => hide(JSON.stringify({ text }))],
	["kinds of errors", (text) => kindOfError(new Error(text))],
	["the terminal", visible],
	["reasons", (text) => answered({ reason: text, errors: [] })],
	["messages", (text) => answered({ errors: [{ message: text }] })],
	["Retry-After", (text) => [retryAfterMs(text), retryAfterMs(`Jan${text}`)]],
	["paths", (text) => buildUrl("https://provider.example", [text])],
	["bodies", (text) => parseJson(JSON.stringify({ [`\n${text}`]: text }))],
	[
		"events",
		(text) =>
			eventSchema.safeParse(event({ id: text, name: text, person: { email: `${text}@${text}`, userId: text } })),
	],
	["fast events", (text) => parseEvent(event({ name: text, person: { email: `${text}@${text}`, userId: text } }))],
	["user agents", isbot],
	["credentials", (text) => bearer(`Bearer ${text}`)],
	["origins", (text) => originAllowed(`https://${text}.shop.example`, ["https://*.shop.example"], true)],
	["addresses", (text) => byAddress(addressOf)(request({ "x-forwarded-for": text }))],
	[
		"Crisp's errors",
		(text) => String(crispError({ reason: "error", message: text, code: 400, data: { namespace: "response" } })),
	],
];
async function timed(read: (text: string) => unknown, text: string): Promise<number> {
	const startedAt = performance.now();
	await read(text);
	return performance.now() - startedAt;
}

test("one long text blocks the process", async () => {
	const length = 16_000;
	for (const [name, read] of readers) {
		for (const part of parts) {
			const isQuadratic = async () => {
				const short = await timed(read, part.repeat(length / part.length));
				const long = await timed(read, part.repeat((4 * length) / part.length));
				return long > 50 && long > 10 * short;
			};
			// A busy machine may disturb one measurement, or two.
			const isSlow = (await isQuadratic()) && (await isQuadratic()) && (await isQuadratic());
			expect(isSlow, `${name}: ${JSON.stringify(part)}`).toBe(false);
		}
	}
});

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
		"a limit is answered for some people's events alone": async ({ batch, settled }) => {
			const { events } = await settled(0);
			let delivered = 0;
			answer = async (request, response) => {
				const body = await text(request);
				if (body.includes("limited")) return void response.writeHead(429).end();
				if (body.includes("honest")) delivered += 1;
				ok(request, response);
			};
			const of = (name: string, n: number) => event({ person: { email: `${name}${n}@example.com` } });
			await batch(...Array.from({ length: 20 }, (_, n) => of("limited", n)));
			await batch(...Array.from({ length: 50 }, (_, n) => of("honest", n)));
			// Each wait takes a second.
			await expect.poll(() => delivered, { timeout: 10_000 }).toBeGreaterThanOrEqual(48);
			answer = ok;
			await settled(events + 70);
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
		"an answer moves the cursor of the operator's terminal": async () => {
			const odd = "\u001b]0;title\u0007\u001b[2J\u009b2J\u0085\u202ereversed\u2066\u200b\u2028\rhidden\nforged";
			const letter = {
				...{ id: "1", destination: odd, reason: odd, message: odd, attempts: 1, firstAt: 0, lastAt: 0 },
			};
			const stranger = await listening((request, response) => {
				const isRefusal = request.url?.startsWith("/refuses");
				response.writeHead(isRefusal ? 400 : 200, { "content-type": "application/json" });
				const page = { items: [{ ...letter, event: { type: odd, name: odd, at: 0, [odd]: odd } }] };
				response.end(JSON.stringify(isRefusal ? { code: odd, detail: odd } : page));
			});
			const command = process.env.EVENTFERRY_COMMAND ?? "dist/server/cli.js";
			const env = { PATH: process.env.PATH, EVENTFERRY_ADMIN_TOKEN: adminToken };
			const run = (...args: string[]) =>
				promisify(execFile)(process.execPath, [command, ...args], { env }).catch((error) => error);
			try {
				for (const args of [["list"], ["show"], ["list", "--json"], ["list", "--url", `${stranger.url}/refuses`]]) {
					const { stdout, stderr } = await run("deadletters", "--url", stranger.url, ...args);
					expect(stdout + stderr, args.join(" ")).toMatch(/title|reversed/);
					expect((stdout + stderr).replaceAll("\n", ""), args.join(" ")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
					expect(stdout + stderr, args.join(" ")).not.toMatch(/^forged/m);
					if (args.includes("--json")) expect(JSON.parse(stdout).items[0]).toMatchObject(letter);
				}
			} finally {
				stranger.server.close();
			}
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

threats(
	"requests without an answer",
	{ site: { helpcrunch: undefined, vibetrace: undefined } },
	{
		"requests for some people are never answered": async ({ batch, post, sandbox }) => {
			const of = (name: string, n: number) => event({ person: { email: `${name}-${n}@example.com` } });
			for (const name of ["silent", "honest"])
				for (let n = 0; n < 50; n += 1) sandbox.addPerson("crisp", { email: `${name}-${n}@example.com` });
			sandbox.fault("crisp", { delayMs: 60_000, reset: true, path: /silent/ });
			await batch(...Array.from({ length: 20 }, (_, n) => of("silent", n)));
			await batch(...Array.from({ length: 50 }, (_, n) => of("honest", n)));
			// The time limit of five requests, one after the other, is 50 s.
			await sandbox.until(
				(all) => all.filter(({ path, status }) => path.includes("honest") && status === 200).length >= 48,
				{ destination: "crisp", timeoutMs: 20_000 },
			);
			await batch(...Array.from({ length: 20 }, (_, n) => of("silent", 20 + n)));
			const isSilent = ({ path }: { path: string }) => path.includes("silent");
			await sandbox.until((all) => all.filter(isSilent).length >= 28, { destination: "crisp" });
			const headers = { origin: undefined, authorization: `Bearer ${serverKey}` };
			const purchase = event({
				type: "confirmation",
				data: { orderId: "paid" },
				person: { email: "honest-0@example.com" },
			});
			expect((await post({ events: [purchase] }, headers, "/v1/events")).status).toBe(202);
			const isPaid = ({ body }: { body?: unknown }) => JSON.stringify(body ?? "").includes("paid");
			const all = await sandbox.until((requests) => requests.some(isPaid), { destination: "crisp" });
			// The next silent request begins only when one has ended.
			expect(all.slice(0, all.findIndex(isPaid)).filter(isSilent)).toHaveLength(28);
		},
	},
);

let crispUrl = "";
/** Number of creations that the firewall has refused. */
let refused = 0;
const firewall = await listening(async (request, response) => {
	const body = await text(request);
	if (body.includes("poisoned")) {
		refused += 1;
		return void response.writeHead(403).end();
	}
	const { authorization = "", "content-type": type = "", "x-crisp-tier": tier = "" } = request.headers;
	const headers = { authorization, "content-type": type, "x-crisp-tier": String(tier) };
	const method = request.method ?? "GET";
	const passed = await fetch(`${crispUrl}${request.url}`, { method, headers, body: body || null });
	response.writeHead(passed.status, { "content-type": "application/json" }).end(await passed.text());
});
afterAll(() => {
	firewall.server.close();
	firewall.server.closeAllConnections();
});

threats(
	"refused creations",
	{
		site({ crisp }) {
			crispUrl = crisp.baseUrl ?? "";
			return { crisp: { ...crisp, baseUrl: firewall.url }, helpcrunch: undefined, vibetrace: undefined };
		},
	},
	{
		"a few people who are not created keep all new people from being created": async (built) => {
			const { admin, batch, sandbox, settled } = built;
			const of = (name: string, n: number) => event({ person: { email: `${name}${n}@example.com` } });
			await batch(of("first", 0));
			await settled(1);
			const crisp = async () => (await (await admin("/stats")).json()).destinations.crisp;
			await batch(...Array.from({ length: 3 }, (_, n) => of("poisoned", n)));
			await expect.poll(() => refused).toBeGreaterThan(3);
			expect((await crisp()).creationHold).toBeUndefined();
			await batch(...Array.from({ length: 20 }, (_, n) => of("new", n)));
			await vi.waitFor(() => expect(sandbox.people("crisp")).toHaveLength(21), { timeout: 20_000 });
		},
	},
);

threats(
	"a missing right",
	{ site: { helpcrunch: undefined, vibetrace: undefined } },
	{
		"a right is missing that the provider's probe does not need": async ({ admin, batch, sandbox }) => {
			sandbox.fault("crisp", { status: 403, body: { error: true, reason: "not_allowed" }, method: "POST" });
			const crisp = async () => (await (await admin("/stats")).json()).destinations.crisp;
			const { dead, waiting } = await crisp();
			const people = Array.from({ length: 40 }, (_, n) => `right${n}@example.com`);
			for (const email of people) sandbox.addPerson("crisp", { email });
			await batch(...people.map((email) => event({ person: { email } })));
			await vi.waitFor(async () => expect((await crisp()).state).toBe("paused"), { timeout: 30_000 });
			expect(await crisp()).toMatchObject({ dead, waiting: waiting + 40 });
		},
	},
);
