import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express, { type Express } from "express";
import { vi } from "vitest";
import { type Config, createProxy, type EventProxy } from "../../server/index.ts";
import {
	type Sandbox,
	type SandboxDestinations,
	type SandboxOptions,
	startSandbox,
} from "../../server/sandbox/index.ts";

export const origin = "https://shop.example";
export const writeKey = "site_shop";
export const serverKey = "server-key-5e1f-b07d29c4a8e613f5";
export const adminToken = "admin-token-9c2d-64f0e1b7a35d82c9";
/** User agent of a visitor's browser. Node's own counts as a bot. */
export const browserAgent =
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36";

/** The part of `/admin/stats` that tests read. */
interface Stats {
	journal: number;
	events: number;
	discarded: Record<string, number>;
	room?: { used: number; max: number; isFull: boolean };
	destinations: Record<
		string,
		{ state: string; waiting: number; delivered: number; dead: number; discarded: Record<string, number> }
	>;
}

export interface Problem {
	status: number;
	code: string;
	title: string;
	detail: string;
}

/** Requests that tests make to a proxy, wherever it runs. */
export interface Asking {
	/** URL of the router, without a slash at the end. */
	url: string;
	/** Posts a body (text and bytes as they are, anything else as JSON) as a page of the shop would. */
	post(body: unknown, headers?: Record<string, string | undefined>, path?: string): Promise<Response>;
	/** Sends events as the shop's page; resolves to the 202's body. */
	batch(...events: unknown[]): Promise<{ accepted: number; rejected: { id: string | null; code: string }[] }>;
	admin(path: string, init?: RequestInit): Promise<Response>;
	/** Resolves once this many events have been fanned out and none is owed. */
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
	/** Options of its site, or a function that makes them from the sandbox's destinations. */
	site?: Site | ((destinations: SandboxDestinations) => Site);
	/** Further sites. */
	others?: (destinations: SandboxDestinations) => Config["sites"];
	/** Path at which the router is mounted. Default: the root. */
	base?: string;
	/** App to mount the router in, possibly with earlier middleware. */
	app?: Express;
	/** False leaves `proxy.start()` to the test. */
	start?: boolean;
	/** Options of the sandbox. */
	simulated?: SandboxOptions;
}

/** Requests to the proxy at this URL, which must have the keys of this file. */
export function asking(url: string): Asking {
	const admin = (path: string, init: RequestInit = {}) =>
		fetch(`${url}/admin${path}`, { ...init, headers: { authorization: `Bearer ${adminToken}`, ...init.headers } });
	const stats = async () => (await (await admin("/stats")).json()) as Stats;
	const requests: Asking = {
		url,
		admin,
		post(body, headers = {}, path = "/v1/batch") {
			const allHeaders = { origin, "user-agent": browserAgent, "content-type": "application/json", ...headers };
			const given = Object.entries(allHeaders).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
			const raw = typeof body === "string" || body instanceof Uint8Array;
			return fetch(url + path, {
				method: "POST",
				headers: Object.fromEntries(given),
				body: raw ? new Uint8Array(Buffer.from(body as string)) : JSON.stringify(body),
			});
		},
		async batch(...events) {
			const response = await requests.post(batchOf(...events));
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
	return requests;
}

/** Runs a real proxy on a free port, with a SQLite store and a sandboxed Crisp of its own. */
export async function runProxy({
	config,
	site,
	others,
	base = "",
	app = express(),
	start = true,
	simulated,
}: Options = {}): Promise<RunningProxy> {
	const sandbox = await startSandbox(simulated);
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
		// All requests of the tests come from one address.
		rateLimit: { perAddress: 100_000, bytesPerAddress: "10G" },
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

/** Makes a valid `track` event with a person of its own, except for the changes. */
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

/** Resolves to the body of a problem response. Throws if the response is not a problem. */
export async function problemOf(response: Response): Promise<Problem> {
	const type = response.headers.get("content-type") ?? "";
	if (!/^application\/problem\+json(;|$)/.test(type)) throw new Error(`${response.status} is ${type}, not a problem`);
	return (await response.json()) as Problem;
}
