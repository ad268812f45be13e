import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Child, start } from "./children.ts";
import type { ControlOptions } from "./controls.ts";
import type { Load, Loaded } from "./load.ts";
import type { ProxyOptions } from "./proxy.ts";
import { median, type Result, type Target } from "./result.ts";
import type { Mode } from "./sink.ts";

export interface Settings {
	/** Length of each measured round, in ms. */
	ms: number;
	rounds: number;
	/** Number of destinations that each event goes to. */
	destinations: number;
}

const connections = 32;
/** Number of requests under way per destination, as in server/delivery/open-leases.ts. */
const concurrency = 4;

const urlOf = (child: Child) => child.ask<string>("url");
const control = (options: ControlOptions, env?: Record<string, string>) => start("controls", options, env);
export const proxyTo = (options: ProxyOptions, env?: Record<string, string>) => start("proxy", options, env);

export async function startSink(mode: Mode): Promise<{ sink: Child; url: string }> {
	const sink = await start("sink");
	await sink.ask("mode", mode);
	return { sink, url: await urlOf(sink) };
}

interface Measured extends Loaded {
	/** CPU time of the server per event in µs, fan-out included: the figure that a busy machine distorts least. */
	cpu: number;
}

interface Round {
	control: Measured;
	proxy: Measured;
	/** Time from the last 202 until the journal is empty. */
	fanOutMs: number;
}

/**
 * Runs the same load on both servers in turn, after one warm-up round; on the proxy as events or as Segment's calls.
 * @param isProxy True if the control is a proxy too, which then fans out as well before its CPU time is read.
 */
export async function alternate(
	controlServer: Child,
	proxy: Child,
	{ ms, rounds }: Pick<Settings, "ms" | "rounds">,
	{ asSegment = false, isProxy = false } = {},
): Promise<Round[]> {
	const load = await start("load");
	const [controlUrl, proxyUrl] = [await urlOf(controlServer), await urlOf(proxy)];
	const runLoad = (url: string, asSegment: boolean) =>
		load.ask<Loaded>("round", { url, ms, connections, tracksOnly: false, asSegment } satisfies Load);
	async function measure<More>(server: Child, url: string, asSegment: boolean, after: () => Promise<More>) {
		const before = await server.ask<number>("cpu");
		const loaded = await runLoad(url, asSegment);
		const more = await after();
		return { ...loaded, ...more, cpu: ((await server.ask<number>("cpu")) - before) / loaded.events };
	}
	const measured: Round[] = [];
	for (let round = 0; round <= rounds; round += 1) {
		const control = await measure(controlServer, controlUrl, false, async () => {
			if (isProxy) await controlServer.ask("fannedOut");
		});
		const fannedOut = async () => ({ fanOutMs: await proxy.ask<number>("fannedOut") });
		const { fanOutMs, ...proxyMeasured } = await measure(proxy, proxyUrl, asSegment, fannedOut);
		measured.push({ control, proxy: proxyMeasured, fanOutMs });
	}
	return measured.slice(1);
}

/** Results for the rates of both servers and their CPU time per event. Without a target they are for context alone. */
function ratesAndCosts(rounds: Round[], name: string, peer: string, target?: Target): Result[] {
	const both = (value: (measured: Measured) => number) => ({
		ours: rounds.map(({ proxy }) => value(proxy)),
		theirs: rounds.map(({ control }) => value(control)),
		peer,
	});
	return [
		{ name, unit: "events/s", ...both(({ rate }) => rate), betterIs: "higher", ...(target && { target }) },
		{ name: `${name}: CPU an event, fan-out included`, unit: "µs", ...both(({ cpu }) => cpu), betterIs: "lower" },
	];
}

const fanOut = (rounds: Round[], name: string): Result => ({
	name,
	unit: "s",
	ours: rounds.map(({ fanOutMs }) => fanOutMs / 1_000),
	theirs: [],
	peer: "",
	betterIs: "lower",
	target: { atMost: 2 },
});

const bare = "node:http + JSON.parse";

/** Durable ingest ÷ a server that only parses, and the delay of the fan-out. Default: a new store. */
export async function ingest(settings: Settings, store?: string): Promise<Result[]> {
	const { destinations } = settings;
	const { url: sink } = await startSink("refuse");
	const proxy = await proxyTo({ sink, destinations, ...(store && { store }) });
	const rounds = await alternate(await control({ kind: "parse" }), proxy, settings);
	return [
		...ratesAndCosts(rounds, `durable ingest, ${destinations} destinations`, bare),
		{
			name: "durable ingest, counted until all is fanned out",
			unit: "events/s",
			ours: rounds.map(({ proxy, fanOutMs }) => proxy.events / (proxy.events / proxy.rate + fanOutMs / 1_000)),
			theirs: rounds.map(({ control }) => control.rate),
			peer: bare,
			betterIs: "higher",
		},
		fanOut(rounds, "fan-out behind the last 202"),
	];
}

/** Ingest by Segment's API ÷ ingest by `/v1/batch`, of the same events by two proxies in turn. */
export async function segment(settings: Settings): Promise<Result[]> {
	const { destinations } = settings;
	const { url: sink } = await startSink("refuse");
	const [direct, door] = [await proxyTo({ sink, destinations }), await proxyTo({ sink, destinations })];
	const rounds = await alternate(direct, door, settings, { asSegment: true, isProxy: true });
	return ratesAndCosts(rounds, "durable ingest by Segment's API", "/v1/batch", { atLeast: 0.7 });
}

/** Compiles the LD_PRELOAD library that slows every fsync; undefined without a C compiler. */
function slowSync(): { library: string; remove(): void } | undefined {
	const folder = mkdtempSync(join(tmpdir(), "eventferry-bench-"));
	const remove = () => rmSync(folder, { recursive: true, force: true });
	const compiler = process.env.CC ?? "cc";
	const library = join(folder, "slowsync.so");
	const source = fileURLToPath(new URL("./slowsync.c", import.meta.url));
	try {
		execFileSync(compiler, ["-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], { stdio: "ignore" });
		return { library, remove };
	} catch {
		remove();
		return undefined;
	}
}

/** Durable ingest ÷ a transaction per request, with each fsync 2 ms slower. */
export async function slowDisk(settings: Settings): Promise<Result[]> {
	const slow = slowSync();
	if (!slow) throw new Error("there is no C compiler: install cc, or set CC to the compiler");
	try {
		const env = { LD_PRELOAD: slow.library, SLOWSYNC_US: "2000" };
		const { destinations } = settings;
		const { url: sink } = await startSink("refuse");
		const rounds = await alternate(
			await control({ kind: "transaction" }, env),
			await proxyTo({ sink, destinations }, env),
			settings,
		);
		return [
			...ratesAndCosts(rounds, "durable ingest, fsync + 2 ms", "a transaction per request", { atLeast: 8 }),
			fanOut(rounds, "fan-out behind the last 202, fsync + 2 ms"),
		];
	} finally {
		slow.remove();
	}
}

/**
 * Runs `work`; resolves to the rate of requests that the sink answered meanwhile, and to the CPU time per request in
 * µs, of the whole process and of its main thread.
 */
async function measureRequests(server: Child, sink: Child, work: () => Promise<unknown>) {
	const readCounters = async () => ({
		answered: await sink.ask<number>("answered"),
		cpu: await server.ask<number>("cpu"),
		mainCpu: await server.ask<number>("mainCpu"),
		now: performance.now(),
	});
	const before = await readCounters();
	await work();
	const after = await readCounters();
	const requests = after.answered - before.answered;
	return {
		rate: requests / ((after.now - before.now) / 1_000),
		cpu: (after.cpu - before.cpu) / requests,
		mainCpu: (after.mainCpu - before.mainCpu) / requests,
	};
}

/** Has a sink answer for some time; resolves to the proxy's rate and CPU time meanwhile. The sink holds requests then. */
const measureAnswers = (proxy: Child, sink: Child, ms: number) =>
	measureRequests(proxy, sink, async () => {
		await sink.ask("mode", "answer");
		await new Promise((done) => setTimeout(done, ms));
		await sink.ask("mode", "hold");
	});

/** Has a proxy accept events until so many wait for each destination. Tracks only: an update may cost no request. */
async function fill(proxy: Child, backlog: number): Promise<void> {
	const load = await start("load");
	const batches: Load = { url: await urlOf(proxy), ms: 250, connections: 8, tracksOnly: true };
	while ((await proxy.ask<number>("waiting")) < backlog) {
		await load.ask("round", batches);
		await proxy.ask("fannedOut");
	}
}

/** Rate of requests to the providers' stand-in ÷ rate of bare `ky` loops of the same concurrency. */
export async function delivery({ ms, rounds, destinations }: Settings): Promise<Result[]> {
	const { sink, url } = await startSink("hold");
	const proxy = await proxyTo({ sink: url, destinations });
	const answering = await startSink("answer");
	const bare = await control({ kind: "ky", sink: answering.url });

	const measured: Record<"proxy" | "bare", Awaited<ReturnType<typeof measureRequests>>>[] = [];
	for (let round = 0; round <= rounds; round += 1) {
		// More than any round delivers.
		await fill(proxy, 10 * ms);
		const proxyMeasured = await measureAnswers(proxy, sink, ms);
		if ((await proxy.ask<number>("waiting")) === 0) throw new Error("the proxy ran out of events to deliver");
		// The sink holds the proxy's requests under way, so that the proxy is idle while the loops run.
		const bareMeasured = await measureRequests(bare, answering.sink, () =>
			bare.ask("run", { ms, loops: concurrency * destinations }),
		);
		if (round > 0) measured.push({ proxy: proxyMeasured, bare: bareMeasured });
	}
	const name = `delivery, ${destinations} destinations`;
	const both = (value: (measured: Awaited<ReturnType<typeof measureRequests>>) => number) => ({
		ours: measured.map(({ proxy }) => value(proxy)),
		theirs: measured.map(({ bare }) => value(bare)),
		peer: "bare ky loops",
	});
	return [
		{ name, unit: "requests/s", ...both(({ rate }) => rate), betterIs: "higher", target: { atLeast: 1 } },
		{
			name: `${name}: CPU a request`,
			unit: "µs",
			...both(({ cpu }) => cpu),
			betterIs: "lower",
			target: { atMost: 1 },
		},
		{ name: `${name}: CPU of the main thread`, unit: "µs", ...both(({ mainCpu }) => mainCpu), betterIs: "lower" },
	];
}

/** CPU time per request of a proxy that delivers to a function ÷ of one that delivers to Crisp. */
export async function ownFunction({ ms, rounds }: Settings): Promise<Result[]> {
	async function startOne(only: "crisp" | "function") {
		const { sink, url } = await startSink("hold");
		const proxy = await proxyTo({ sink: url, destinations: 1, only });
		return { sink, proxy };
	}
	const [own, crisp] = [await startOne("function"), await startOne("crisp")];
	const ours: number[] = [];
	const theirs: number[] = [];
	for (let round = 0; round <= rounds; round += 1) {
		// More than any round delivers.
		await fill(own.proxy, 10 * ms);
		await fill(crisp.proxy, 10 * ms);
		const [mine, other] = [
			await measureAnswers(own.proxy, own.sink, ms),
			await measureAnswers(crisp.proxy, crisp.sink, ms),
		];
		if (round === 0) continue;
		ours.push(mine.cpu);
		theirs.push(other.cpu);
	}
	return [
		{
			name: "delivery to a function: CPU a request",
			unit: "µs",
			ours,
			theirs,
			peer: "delivery to Crisp",
			betterIs: "lower",
			target: { atMost: 1.1 },
		},
	];
}

/** Time from the post to the provider through an idle proxy ÷ through a handler that stores nothing. */
export async function latency({ ms, rounds }: Settings): Promise<Result[]> {
	const client = await start("latency");
	const sink = await urlOf(client);
	const urls = await Promise.all(
		[await proxyTo({ sink, destinations: 1 }), await control({ kind: "forward", sink })].map(urlOf),
	);
	const ours: number[] = [];
	const theirs: number[] = [];
	for (let round = 0; round <= rounds; round += 1) {
		const [proxy = [], forward = []] = await client.ask<number[][]>("compare", { urls, times: Math.ceil(ms / 20) });
		if (round === 0) continue;
		ours.push(median(proxy));
		theirs.push(median(forward));
	}
	return [
		{
			name: "post to provider, p50, idle",
			unit: "ms",
			ours,
			theirs,
			peer: "Express that forwards at once",
			betterIs: "lower",
			target: { atMost: 5 },
		},
	];
}
