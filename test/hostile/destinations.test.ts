import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { postEvents, type Served, serve, stats, temporaryFolder, track } from "../support/served.ts";
import { command } from "./built.ts";

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const run = promisify(execFile);
const folder = temporaryFolder();
const servers: Server[] = [];

/** Requests to the receiver, to the host that it redirects to, and connections to a server in the private network. */
const received: { path: string; headers: IncomingHttpHeaders; body: string }[] = [];
const astray: string[] = [];
let connections = 0;

async function listening(server: Server): Promise<number> {
	servers.push(server.listen(0, "127.0.0.1"));
	await once(server, "listening");
	return (server.address() as AddressInfo).port;
}
const http = (listener: RequestListener) => listening(createServer(listener));

let served: Served;
beforeAll(async () => {
	const elsewhere = await http((request, response) => {
		astray.push(String(request.url));
		response.end();
	});
	const receiver = await http(async (request, response) => {
		const path = String(request.url);
		received.push({ path, headers: request.headers, body: await text(request) });
		if (path === "/redirects") response.writeHead(307, { location: `http://127.0.0.1:${elsewhere}${path}` }).end();
		else response.end(path === "/large" ? "x".repeat(1_000_000) : "");
	});
	const inner = await listening(
		createTcpServer((socket) => {
			connections += 1;
			socket.destroy();
		}),
	);
	// Resolves every name to this machine, as a hostile DNS may.
	const dns = join(folder.path, "dns.mjs");
	writeFileSync(
		dns,
		`import dns from "node:dns";
		import { syncBuiltinESMExports } from "node:module";
		dns.lookup = (name, options, callback) =>
			options.all ? callback(null, [{ address: "127.0.0.1", family: 4 }]) : callback(null, "127.0.0.1", 4);
		syncBuiltinESMExports();`,
	);
	const url = `http://127.0.0.1:${receiver}`;
	const config = join(folder.path, "shop.config.mjs");
	writeFileSync(
		config,
		`const calls = {};
		const first = (name) => (calls[name] = (calls[name] ?? 0) + 1) === 1;
		const rejected = (reason) => ({ kind: "rejected", reason: String(reason) });
		export default {
			port: 0, store: "sqlite:${folder.path}/store.db", adminToken: "admin-token", logLevel: "info",
			sites: [{ writeKey: "site_test", origins: ["https://shop.example"], serverKey: "server-key", destinations: {
				private: { url: "https://hooks.example:${inner}/in" },
				redirected: { url: "${url}/redirects" },
				redirects: { send: (event, { fetch }) => fetch(new Request("${url}/redirects")) },
				plainly: { send: (event, { fetch }) => fetch("${url}/redirects") },
				signed: { url: "${url}/signed", secret: "${secret}" },
				hangs: { send: () => first("hangs") ? new Promise(() => {}) : { kind: "delivered" } },
				large: { send: async (event, { fetch }) => rejected((await (await fetch("${url}/large")).text().catch(() => "cut")).length) },
				mutates: { send(event) { event.person.email = "eve@example.com"; event.data = {}; return first("mutates") ? { kind: "retry" } : { kind: "delivered" }; } },
				throws: { plan() { throw new Error("no https://hooks.example/T0/B0/s3cr3tpath?key=1 for ada@example.com, key sk_live_51Habcdefghij"); }, send() {} },
			} }],
		};`,
	);
	served = await serve(
		{ PATH: process.env.PATH ?? "", NODE_OPTIONS: `--import=file://${dns}` },
		["--config", config],
		command,
	);
	await postEvents(served.url, [track("played", { data: { level: 3 } })]);
});
afterAll(async () => {
	await served.stop();
	for (const server of servers) server.close();
	folder.remove();
});

const soon = (check: () => Promise<void>, timeout = 8_000) => vi.waitFor(check, { timeout, interval: 50 });
const stateOf = async (name: string) => (await stats(served.url)).destinations[name];
async function letter(destination: string): Promise<{ reason: string; message?: string }> {
	const answer = await fetch(`${served.url}/admin/deadletters?destination=${destination}`, {
		headers: { authorization: "Bearer admin-token" },
	});
	return ((await answer.json()) as { items: [{ reason: string; message?: string }] }).items[0];
}
const checked = (url: string) =>
	run(process.execPath, [command, "check"], {
		env: {
			PATH: process.env.PATH,
			EVENTFERRY_WRITE_KEY: "s",
			EVENTFERRY_ORIGINS: "https://a.example",
			WEBHOOK_URL: url,
		},
	}).then(
		() => 0,
		({ code }) => code,
	);

test("an address of one's own leads into a private network, by its number or by DNS", async () => {
	for (const host of ["10.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]", "3232235777", "[64:ff9b::a00:1]"])
		expect(await checked(`https://${host}/in`)).toBe(2);
	expect(await checked("https://hooks.example/in")).toBe(0);
	await soon(async () => expect((await stateOf("signed")).delivered).toBe(1));
	expect(connections).toBe(0);
	expect((await stateOf("private")).waiting).toBe(1);
});

test("an address of one's own leads elsewhere by a redirect", async () => {
	await soon(async () => expect(await letter("redirected")).toMatchObject({ reason: "http_307" }));
	for (const name of ["redirects", "plainly"])
		await soon(async () => expect(await letter(name)).toMatchObject({ reason: "http_307" }));
	expect(astray).toEqual([]);
});

test("an address of one's own is spoken to in the clear", async () => {
	expect(await checked("http://hooks.example/in")).toBe(2);
	expect(await checked("http://127.0.0.1:3000/in")).toBe(0);
});

test("somebody else posts what seems to be ours to an address", async () => {
	await soon(async () => expect(received.some(({ path }) => path === "/signed")).toBe(true));
	const { headers, body } = received.find(({ path }) => path === "/signed") ?? {
		headers: {} as IncomingHttpHeaders,
		body: "",
	};
	const signature = (content: string) =>
		`v1,${createHmac("sha256", Buffer.from(secret.slice(6), "base64"))
			.update(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${content}`)
			.digest("base64")}`;
	expect(headers["webhook-signature"]).toBe(signature(body));
	expect(headers["webhook-signature"]).not.toBe(signature(`${body} `));
});

test("a destination's function never ends, or its answer has no end", { timeout: 30_000 }, async () => {
	await soon(async () => expect(await letter("large")).toMatchObject({ reason: "3" }));
	await soon(async () => expect((await stateOf("hangs")).delivered).toBe(1), 20_000);
});

test("a destination's function changes the event that others get", async () => {
	await soon(async () => expect((await stateOf("mutates")).delivered).toBe(1));
	const answer = await fetch(`${served.url}/admin/search`, {
		method: "POST",
		headers: { authorization: "Bearer admin-token", "content-type": "application/json" },
		body: JSON.stringify({ person: "eve@example.com" }),
	});
	expect(JSON.stringify(await answer.json())).not.toContain("played");
	await soon(async () => expect(received.find(({ path }) => path === "/signed")?.body).toContain('"level":3'));
});

test("what a function throws has keys or addresses in it", async () => {
	await soon(async () => {
		const { reason, message } = await letter("throws");
		expect([reason, message]).toEqual([
			"invalid_plan",
			"throws: plan threw Error: no https://hooks.example/… for ***, key ***",
		]);
	});
});
