import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import express from "express";
import type { Rule } from "../../server/config/rule.ts";
import { createProxy, defineDestination } from "../../server/index.ts";
import type { Stats } from "../../shared/admin.ts";
import type { Answers } from "./child.ts";
import { origin, writeKey } from "./events.ts";
import { listen } from "./listen.ts";

export interface ProxyOptions {
	/** URL of the providers' stand-in. */
	sink: string;
	/** Number of destinations that each event goes to, 1 to 3. */
	destinations: number;
	/** The only destination: Crisp, or a function that posts events; default as many providers as `destinations` says. */
	only?: "crisp" | "function";
	/** URL of the store; default: a new SQLite file. */
	store?: string;
	rules?: Rule[];
}

const adminToken = "bench";
/** Number of requests that no run reaches. */
const budget = 1_000_000_000;

/** Runs the proxy as a user would; by default with a new store in the system's temporary folder. */
export async function play({ sink, destinations, only, store, rules = [] }: ProxyOptions): Promise<Answers> {
	const folder = mkdtempSync(join(tmpdir(), "eventferry-bench-"));
	process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
	const all = {
		vibetrace: { apiKey: "key", baseUrl: `${sink}/vibetrace`, budget },
		crisp: { websiteId: "website", identifier: "identifier", key: "key", baseUrl: `${sink}/crisp`, budget },
		helpcrunch: { apiKey: "key", baseUrl: `${sink}/helpcrunch`, budget },
	};
	const own = defineDestination({
		budget: { requests: budget, per: "second" },
		send({ type, data, ...event }, { fetch }) {
			const body = JSON.stringify({ name: "name" in event ? event.name : type, data });
			const headers = { Authorization: "Bearer key", "Content-Type": "application/json" };
			return fetch(`${sink}/own`, { method: "POST", headers, body });
		},
	});
	const chosen = {
		crisp: { crisp: all.crisp },
		function: { destinations: { own } },
		all: Object.fromEntries(Object.entries(all).slice(0, destinations)),
	}[only ?? "all"];
	const proxy = createProxy({
		sites: [{ writeKey, origins: [origin], rules, ...chosen }],
		store: store ?? `sqlite:${join(folder, "store.db")}`,
		adminToken,
		// All requests come from one address.
		rateLimit: { perAddress: budget, bytesPerAddress: "1000G" },
		logLevel: "silent",
	});
	await proxy.start();
	const url = await listen(createServer(express().use(proxy.router)));
	async function stats(): Promise<Stats> {
		const answer = await fetch(`${url}/admin/stats`, { headers: { authorization: `Bearer ${adminToken}` } });
		return (await answer.json()) as Stats;
	}

	return {
		url: () => `${url}/v1/batch`,
		stats,
		/** Returns the most memory that the process has occupied, in MB. */
		memory: () => process.resourceUsage().maxRSS / 1_024,
		/** Waits until the journal is empty; resolves to the ms this took. */
		async fannedOut() {
			const since = performance.now();
			for (;;) {
				const { journal } = await stats();
				if (journal === 0) return performance.now() - since;
				await delay(5);
			}
		},
		/** Resolves to the number of events that wait for the destination with the fewest. */
		async waiting(): Promise<number> {
			return Math.min(...Object.values((await stats()).destinations).map(({ waiting }) => waiting));
		},
		stop: () => proxy.stop(0),
	};
}
