import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Request } from "express";
import type { Rule } from "../../server/config/rule.ts";
import { createIngest, type IngestOptions } from "../../server/ingest/ingest.ts";
import { readBody } from "../../server/ingest/read-body.ts";
import type { Outbox } from "../../server/outbox/outbox.ts";
import { openSqlite } from "../../server/outbox/sqlite/open.ts";
import { createRouting } from "../../server/routing/route.ts";
import { batchSize, browserHeaders, createBatches, origin, writeKey } from "./events.ts";
import type { Result } from "./result.ts";
import { alternate, proxyTo, type Settings, startSink } from "./sections.ts";

/** 50 rules, of which 20 to 30 match each track. */
const fifty: Rule[] = Array.from({ length: 10 }, (_, place): Rule[] => [
	{ event: "product:*", digest: true },
	{ event: "*", color: "blue" },
	{ event: "basket:*", name: `basket ${place}`, rank: "update" },
	{ event: "*", rank: "login" },
	{ event: "search", to: ["crisp"], digest: true },
]).flat();

/** Number of batches in one measurement, and of batches under way at once. */
const [batches, atOnce] = [64, 32];
/** Number of pairs of measurements in a round, and of pairs that only warm up before the first. */
const [pairs, warmUps] = [40, 4];

/** Starts ingest of a site with these rules, on a new SQLite file. */
async function startIngest(rules: Rule[], destinations: number) {
	const names = ["vibetrace", "crisp", "helpcrunch"].slice(0, destinations);
	const folder = mkdtempSync(join(tmpdir(), "eventferry-bench-"));
	process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
	const places = names.map((name) => ({ name, maxWait: 604_800_000, addresses: () => true }));
	const outbox: Outbox = await openSqlite(join(folder, "store.db"));
	const site = {
		name: "shop",
		writeKey,
		origins: [origin],
		identity: "open" as const,
		route: createRouting(rules, places),
	};
	const pass = () => undefined;
	const options: Partial<IngestOptions> = {
		sites: [site as IngestOptions["sites"][number]],
		outbox: () => outbox,
		limitBytes: { announced: pass, read: pass },
		readBodies: () => pass,
		now: Date.now,
		onNotice: pass,
	};
	return { outbox, site, ingest: createIngest(options as IngestOptions), nextBatch: createBatches(1, false) };
}

type Side = Awaited<ReturnType<typeof startIngest>>;

/** Measures the CPU time for an event, µs, of parsing, checking, routing, storing and fan-out, in all threads. */
async function cpuOf({ outbox, site, ingest, nextBatch }: Side): Promise<number> {
	const before = process.cpuUsage();
	const headers = { ...browserHeaders };
	for (let batch = 0; batch < batches; batch += atOnce) {
		const stored = Array.from({ length: atOnce }, () => {
			const request = { headers, body: Buffer.from(nextBatch()) } as unknown as Request;
			const { json, pieces } = readBody(request);
			const { events } = json as { events: unknown[] };
			return ingest.acceptOfPage(request, site as IngestOptions["sites"][number], events, 0, pieces);
		});
		await Promise.all(stored);
	}
	while ((await outbox.stats()).journal > 0);
	const { user, system } = process.cpuUsage(before);
	return (user + system) / (batches * batchSize);
}

/** Compares ingest with 50 rules and without, as far as it is not HTTP, beside which the difference would be small. */
async function withoutHttp({ rounds, destinations }: Settings): Promise<Result> {
	const [ruled, plain] = [await startIngest(fifty, destinations), await startIngest([], destinations)];
	const [ours, theirs]: [number[], number[]] = [[], []];
	for (let pair = -warmUps; pair < rounds * pairs; pair += 1) {
		const [first, second] = pair % 2 === 0 ? [ruled, plain] : [plain, ruled];
		const [one, other] = [await cpuOf(first), await cpuOf(second)];
		if (pair < 0) continue;
		ours.push(first === ruled ? one : other);
		theirs.push(first === ruled ? other : one);
	}
	for (const { outbox } of [ruled, plain]) await outbox.close();
	const name = "ingest with 50 rules, without HTTP: CPU an event, fan-out included";
	return { name, unit: "µs", ours, theirs, peer: "no rules", betterIs: "lower" };
}

/** Number of measurements of each proxy in a round. */
const shortRounds = 10;

/** Compares ingest by two proxies over HTTP, one of which has 50 rules. */
async function overHttp({ ms, rounds, destinations }: Settings): Promise<Result> {
	const { url: sink } = await startSink("refuse");
	const [plain, ruled] = [await proxyTo({ sink, destinations }), await proxyTo({ sink, destinations, rules: fifty })];
	const settings = { ms: ms / shortRounds, rounds: rounds * shortRounds };
	const measured = await alternate(plain, ruled, settings, { isProxy: true });
	return {
		name: "ingest with 50 rules: CPU an event, fan-out included",
		unit: "µs",
		ours: measured.map(({ proxy }) => proxy.cpu),
		theirs: measured.map(({ control }) => control.cpu),
		peer: "no rules",
		betterIs: "lower",
		target: { atMost: 1.03 },
	};
}

/** Compares the ingest of a site with 50 rules with ingest without rules, in turn, as other work would cost one more. */
export const rules = async (settings: Settings): Promise<Result[]> => [
	await overHttp(settings),
	await withoutHttp(settings),
];
