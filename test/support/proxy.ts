import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express, { type Express } from "express";
import { vi } from "vitest";
import { type Config, createProxy, type EventProxy } from "../../server/index.ts";
import { type Sandbox, type SandboxDestinations, startSandbox } from "../../server/sandbox/index.ts";

export const origin = "https://shop.example";
export const writeKey = "site_shop";
export const serverKey = "server-key-5e1f";
export const adminToken = "admin-token-9c2d";
/** What a visitor's browser sends: Node's own user agent counts as a bot. */
export const browserAgent =
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36";

/** The part of `/admin/stats` that tests read. */
interface Stats {
	journal: number;
	events: number;
	discarded: Record<string, number>;
	destinations: Record<string, { state: string; waiting: number; delivered: number; dead: number }>;
}

export interface Problem {
	status: number;
	code: string;
	title: string;
	detail: string;
}

/** What tests ask of a proxy, wherever it runs. */
export interface Asking {
	/** Where the router is mounted, without a slash at the end. */
	url: string;
	/** Posts a body (text and bytes as they are, anything else as JSON) as a page of the shop would. */
	post(body: unknown, headers?: Record<string, string | undefined>, path?: string): Promise<Response>;
	/** Sends events as the shop's page; resolves to the 202's body. */
	batch(...events: unknown[]): Promise<{ accepted: number; rejected: { id: string | null; code: string }[] }>;
	admin(path: string, init?: RequestInit): Promise<Response>;
	/** Resolves once so many events were fanned out and none is owed any more. */
	settled(events: number): Promise<Stats>;
}

export interface RunningProxy extends Asking {
	proxy: EventProxy;
	sandbox: Sandbox;
	stop(): Promise<void>;
}

type Site = Partial<Config["sites"][number]>;

interface Options {
	config?: Partial<Config>;
	/** What its site says, on its own or of the sandbox's destinations. */
	site?: Site | ((destinations: SandboxDestinations) => Site);
	/** Further sites. */
	others?: (destinations: SandboxDestinations) => Config["sites"];
	/** Where the router is mounted. Default: the root. */
	base?: string;
	/** What the app has before the router. */
	app?: Express;
	/** False leaves `proxy.start()` to the test. */
	start?: boolean;
}

/** The ways to ask the proxy at this URL, which has the keys of this file. */
export function asking(url: string): Asking {
	const admin = (path: string, init: RequestInit = {}) =>
		fetch(`${url}/admin${path}`, { ...init, headers: { authorization: `Bearer ${adminToken}`, ...init.headers } });
	const stats = async () => (await (await admin("/stats")).json()) as Stats;
	const asked: Asking = {
		url,
		admin,
		post(body, headers = {}, path = "/v1/batch") {
			const all = { origin, "user-agent": browserAgent, "content-type": "application/json", ...headers };
			const given = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
			const raw = typeof body === "string" || body instanceof Uint8Array;
			return fetch(url + path, {
				method: "POST",
				headers: Object.fromEntries(given),
				body: raw ? new Uint8Array(Buffer.from(body as string)) : JSON.stringify(body),
			});
		},
		async batch(...events) {
			const response = await asked.post(batchOf(...events));
			if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
			return (await response.json()) as Awaited<ReturnType<Asking["batch"]>>;
		},
		settled: (events) =>
			vi.waitFor(
				async () => {
					const now = await stats();
					const owed = Object.values(now.destinations).reduce((total, { waiting }) => total + waiting, now.journal);
					if (now.events < events || owed > 0) throw new Error(`not settled: ${JSON.stringify(now)}`);
					return now;
				},
				{ timeout: 60_000, interval: 20 },
			),
	};
	return asked;
}

/** A real proxy on a free port: SQLite in a folder of its own, Crisp in a sandbox of its own. */
export async function runProxy({
	config,
	site,
	others,
	base = "",
	app = express(),
	start = true,
}: Options = {}): Promise<RunningProxy> {
	const sandbox = await startSandbox();
	const { destinations } = sandbox;
	const folder = await mkdtemp(join(tmpdir(), "eventferry-"));
	const proxy = createProxy({
		sites: [
			{
				writeKey,
				origins: [origin],
				serverKey,
				crisp: destinations.crisp,
				...(typeof site === "function" ? site(destinations) : site),
			},
			...(others?.(destinations) ?? []),
		],
		store: `sqlite:${join(folder, "store.db")}`,
		adminToken,
		logLevel: "silent",
		// All tests come from one address.
		rateLimit: { perAddress: 100_000 },
		...config,
	});
	if (start) await proxy.start();
	app.use(base || "/", proxy.router);
	const server = createServer(app).listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	if (address === null || typeof address === "string") throw new Error("the proxy has no port");
	const url = `http://127.0.0.1:${address.port}${base}`;

	return {
		...asking(url),
		proxy,
		sandbox,
		async stop() {
			await proxy.stop();
			const closed = once(server, "close");
			server.close();
			server.closeAllConnections();
			await closed;
			await sandbox.stop();
			await rm(folder, { recursive: true });
		},
	};
}

/** A good `track` event of a person of its own, except where told otherwise. */
export function event(changes: Record<string, unknown> = {}): Record<string, unknown> & { id: string } {
	const id = randomUUID();
	return {
		id,
		type: "track",
		name: "basket:item:added",
		at: Date.now(),
		person: { email: `${id}@example.com` },
		...changes,
	};
}

export const batchOf = (...events: unknown[]) => ({ writeKey, sentAt: Date.now(), events });

/** A problem's body, once it is seen to be one. */
export async function problemOf(response: Response): Promise<Problem> {
	const type = response.headers.get("content-type") ?? "";
	if (!/^application\/problem\+json(;|$)/.test(type)) throw new Error(`${response.status} is ${type}, not a problem`);
	return (await response.json()) as Problem;
}
