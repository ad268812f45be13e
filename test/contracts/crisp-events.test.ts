import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Server } from "socket.io";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type MissedEvents, openSocket } from "../../server/crisp/socket.ts";
import {
	type CrispClient,
	type CrispError,
	type CrispEventName,
	type CrispOptions,
	createCrisp,
} from "../../server/index.ts";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import { crispReports, crispSecret } from "../support/hooks.ts";
import { runProxy } from "../support/proxy.ts";
import { documentedEvents, documentedMethods, laterEvents } from "./crisp-document.ts";

const names = (text: string) => text.trim().split(/\s+/) as CrispEventName[];
const documented = names(documentedEvents);
const later = names(laterEvents);

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
	for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: Partial<CrispOptions> = {}) {
	const sandbox = await startSandbox();
	const crisp = createCrisp({ ...sandbox.destinations.crisp, ...options });
	const errors: unknown[] = [];
	crisp.on("error", (error) => errors.push(error));
	cleanups.push(() => sandbox.stop(), crisp.close);
	return { sandbox, crisp, errors };
}

/** Listens to all these events. Returns a list that collects `[name, payload]`. */
function listenTo(crisp: CrispClient, all: CrispEventName[]) {
	const heard: [string, unknown][] = [];
	for (const name of all) crisp.on(name, (payload) => heard.push([name, payload]));
	return heard;
}

const printCoverage = (name: string, all: CrispEventName[], heard: [string, unknown][]) =>
	process.stdout.write(
		`Crisp events ${name}: ${all.filter((each) => heard.some(([heardName]) => heardName === each)).length}/${all.length}\n`,
	);

describe("each event of Crisp's", () => {
	it("is listed in docs/crisp.md, 65 from Crisp's document and 16 added since", () => {
		expect([documented.length, later.length]).toEqual([65, 16]);
		expect(documentedMethods).toContain("websiteConversations");
		const page = readFileSync("docs/crisp.md", "utf8");
		expect([...documented, ...later].filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
	});

	it("reaches its listeners through the socket", async () => {
		const { sandbox, crisp, errors } = await start();
		const all = [...documented, ...later];
		const heard = listenTo(crisp, all);
		await sandbox.relay.subscribed("session:set_email");
		for (const [index, name] of all.entries()) expect(sandbox.relay.emit(name, { index })).toBe(1);
		await vi.waitFor(() => expect(heard).toEqual(all.map((name, index) => [name, { index }])));
		printCoverage("by the socket", documented, heard);
		expect(errors).toEqual([]);
		expect(sandbox.requests("crisp").map(({ path }) => path)).toEqual(["/website/connect/endpoints"]);
	});

	it("reaches the same listeners, with the same payloads, through web hooks", async () => {
		const running = await runProxy({ site: ({ crisp }) => ({ crisp: { ...crisp, hookSecret: crispSecret } }) });
		cleanups.push(running.stop);
		const { websiteId: website_id, ...credentials } = running.sandbox.destinations.crisp;
		const crisp = createCrisp({ ...credentials, hooks: running.proxy });
		cleanups.push(crisp.close);
		const all = [...documented, ...later, "widget:action:processed" as const];
		const heard = listenTo(crisp, all);
		for (const [index, name] of all.entries()) expect(await crispReports(running, name, { index })).toBe(false);
		await vi.waitFor(() => expect(heard).toEqual(all.map((name, index) => [name, { website_id, index }])));
		printCoverage("by web hooks", documented, heard);
		expect(running.sandbox.requests("crisp")).toEqual([]);
		crisp.close();
		await crispReports(running, "message:send", {});
		await crispReports(running, "message:send", {});
		expect(heard).toHaveLength(all.length);
	});
});

describe("a listener", () => {
	it("receives no other events, and none once it has stopped", async () => {
		const { sandbox, crisp } = await start();
		const heard: unknown[] = [];
		const stop = crisp.on("message:send", (message) => heard.push(message));
		crisp.on("message:received", (message) => heard.push(message));
		await sandbox.relay.subscribed("message:send");
		expect(sandbox.relay.emit("message:updated", {})).toBe(0);
		stop();
		sandbox.relay.emit("message:send", { of: "nobody" });
		sandbox.relay.emit("message:received", { of: "me" });
		await vi.waitFor(() => expect(heard).toEqual([{ of: "me" }]));
	});

	it("that throws does not affect the others, and its error is reported", async () => {
		const { sandbox, crisp, errors } = await start();
		const heard: unknown[] = [];
		crisp.on("message:send", () => {
			throw new Error("thrown");
		});
		crisp.on("message:send", () => Promise.reject(new Error("rejected")));
		crisp.on("message:send", (message) => heard.push(message));
		await sandbox.relay.subscribed("message:send");
		sandbox.relay.emit("message:send", {});
		await vi.waitFor(() => expect([heard, errors.length]).toEqual([[{}], 2]));
	});

	it("is refused for an unknown event, and for one that comes through web hooks only", async () => {
		const { crisp } = await start();
		expect(() => crisp.on("message:sent" as CrispEventName, () => {})).toThrow(/Crisp has no event "message:sent"/);
		expect(() => crisp.on("widget:action:processed", () => {})).toThrow(/web hooks only/);
	});

	it("may be added later: the socket reconnects and reports which events may have been missed", async () => {
		const { sandbox, crisp } = await start();
		const heard = listenTo(crisp, ["message:send"]);
		const missed: MissedEvents[] = [];
		crisp.on("missed", (each) => missed.push(each));
		await sandbox.relay.subscribed("message:send");
		heard.push(...listenTo(crisp, ["email:subscribe"]));
		await sandbox.relay.subscribed("email:subscribe");
		await vi.waitFor(() => expect(missed).toHaveLength(1));
		expect(missed[0]?.events).toEqual(["message:send", "email:subscribe"]);
		expect(sandbox.relay.emit("message:send", {})).toBe(1);
		await vi.waitFor(() => expect(heard).toEqual([["message:send", {}]]));
	});
});

describe("the socket", () => {
	/** Opens a socket that retries soon. */
	async function open(credentials?: { baseUrl: string }) {
		const sandbox: Sandbox = await startSandbox();
		const heard: unknown[] = [];
		const missed: MissedEvents[] = [];
		const errors: CrispError[] = [];
		const socket = openSocket({
			access: { ...sandbox.destinations.crisp, ...credentials },
			tell: (_name, payload) => heard.push(payload),
			onMissed: (each) => missed.push(each),
			onError: (error) => errors.push(error),
			now: Date.now,
			retryMs: 20,
		});
		cleanups.push(() => sandbox.stop(), socket.close);
		socket.subscribe("message:send");
		return { sandbox, socket, heard, missed, errors };
	}

	it("reconnects after the server has closed it, and reports the gap", async () => {
		const startedAt = Date.now();
		const { sandbox, missed, errors } = await open();
		await sandbox.relay.subscribed("message:send");
		sandbox.relay.drop("server");
		await vi.waitFor(() => expect(missed).toHaveLength(1), { timeout: 60_000 });
		await sandbox.relay.subscribed("message:send");
		const [{ since = 0, until = 0 } = {}] = missed;
		expect([since >= startedAt, since <= until, until <= Date.now()]).toEqual([true, true, true]);
		expect(errors).toMatchObject([{ code: "connection" }]);
	});

	it("reconnects after a network failure, as the official client does, and reports the gap", async () => {
		const { sandbox, missed, errors, heard } = await open();
		await sandbox.relay.subscribed("message:send");
		sandbox.relay.drop("network");
		await vi.waitFor(() => expect(missed).toHaveLength(1), { timeout: 60_000, interval: 50 });
		await sandbox.relay.subscribed("message:send");
		sandbox.relay.emit("message:send", {});
		await vi.waitFor(() => expect(heard).toEqual([{}]));
		expect(errors).toEqual([]);
	}, 60_000);

	it("retries while Crisp does not name its address, and reports no gap before the first connection", async () => {
		const { sandbox, missed, errors } = await open();
		const end = sandbox.fault("crisp", { status: 503 });
		await vi.waitFor(() => expect(errors.length).toBeGreaterThan(1), { timeout: 60_000 });
		end();
		await sandbox.relay.subscribed("message:send");
		expect(errors[0]).toMatchObject({ code: "connection" });
		expect(missed).toEqual([]);
	});

	it("that is refused reports an error, throws no uncaught exception, and does not retry", async () => {
		const uncaught: unknown[] = [];
		const listener = (error: unknown) => uncaught.push(error);
		process.on("uncaughtException", listener);
		cleanups.push(() => process.off("uncaughtException", listener));
		let tries = 0;
		const server = createServer((_request, response) => {
			const address = server.address();
			const port = typeof address === "object" && address?.port;
			response.setHeader("content-type", "application/json");
			response.end(
				JSON.stringify({
					error: false,
					reason: "resolved",
					data: { socket: { app: `ws://127.0.0.1:${port}/relay/` } },
				}),
			);
		}).listen(0, "127.0.0.1");
		await once(server, "listening");
		const io = new Server(server, { path: "/relay" });
		io.on("connection", (socket) =>
			socket.on("authentication", () => {
				tries += 1;
				socket.emit("unauthorized", {});
				socket.disconnect();
			}),
		);
		cleanups.push(() => io.close());
		const address = server.address();
		const port = typeof address === "object" && address?.port;
		const { errors } = await open({ baseUrl: `http://127.0.0.1:${port}` });
		await vi.waitFor(() => expect(errors).toMatchObject([{ code: "unauthorized" }]), { timeout: 60_000 });
		await vi.waitFor(() => expect(io.engine.clientsCount).toBe(0));
		expect([tries, uncaught]).toEqual([1, []]);
	});

	it("can be closed before it is open", async () => {
		const { sandbox, socket, errors } = await open();
		socket.close();
		await expect(sandbox.relay.subscribed("message:send", 1_200)).rejects.toThrow(/No client subscribed/);
		expect(errors).toEqual([]);
	});
});

describe("without crisp-api", () => {
	it("every method and listener says what to install", async () => {
		vi.resetModules();
		vi.doMock("crisp-api", () => {
			throw new Error("Cannot find package 'crisp-api'");
		});
		cleanups.push(() => vi.doUnmock("crisp-api"));
		const { createCrisp: create } = await import("../../server/crisp/index.ts");
		const crisp = create({ identifier: "i", key: "k" });
		await expect(crisp.websiteSettings.get("w")).rejects.toThrow(/npm install crisp-api/);
		const { promise, resolve } = Promise.withResolvers<unknown>();
		crisp.on("error", resolve);
		crisp.on("message:send", () => {});
		expect(await promise).toMatchObject({ code: "not_installed" });
	});
});

describe("examples/crisp-bot.mjs", () => {
	it("answers a visitor in the sandbox that it is a bot", async () => {
		const { sandbox, crisp } = await start();
		const { websiteId, identifier, key, tier, baseUrl } = sandbox.destinations.crisp;
		const env = { CRISP_IDENTIFIER: identifier, CRISP_KEY: key, CRISP_TIER: tier, CRISP_BASE_URL: baseUrl };
		const bot = spawn(process.execPath, ["examples/crisp-bot.mjs"], { env, stdio: ["ignore", "inherit", "inherit"] });
		cleanups.push(async () => {
			const exited = once(bot, "exit");
			bot.kill();
			await exited;
		});
		const { session_id = "" } = await crisp.websiteConversations.create(websiteId);
		await sandbox.relay.subscribed("message:send");
		const hello = { type: "text", content: "Hello?", from: "user", origin: "chat" } as const;
		await crisp.websiteConversations.sendMessage(websiteId, session_id, hello);
		await sandbox.until(
			(requests) => requests.filter(({ path, status }) => path.endsWith("/message") && status === 202).length > 1,
		);
		const messages = await crisp.websiteConversations.getMessages(websiteId, session_id);
		expect(messages.map(({ from, content }) => [from, content])).toEqual([
			["user", "Hello?"],
			["operator", "I'm a bot"],
		]);
		const lines = readFileSync("examples/crisp-bot.mjs", "utf8").split("\n");
		expect(lines.filter((line) => line !== "" && !line.startsWith("//")).length).toBeLessThanOrEqual(10);
	});
});
