import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Child, start } from "./children.ts";
import type { ControlOptions } from "./controls.ts";
import type { Load, Loaded } from "./load.ts";
import { atLeast, atMost, median, type Row, thousands } from "./measure.ts";
import type { ProxyOptions } from "./proxy.ts";
import type { Mode } from "./sink.ts";

export interface Settings {
	/** Length of each measured round. */
	ms: number;
	rounds: number;
	/** How many destinations an event goes to. */
	destinations: number;
}

const connections = 32;
/** Requests under way per destination, as in server/delivery/dispatcher.ts. */
const concurrency = 4;

const urlOf = (child: Child) => child.ask<string>("url");
const control = (options: ControlOptions, env?: Record<string, string>) => start("controls", options, env);
const proxyTo = (options: ProxyOptions, env?: Record<string, string>) => start("proxy", options, env);

async function sinkThat(mode: Mode): Promise<{ sink: Child; url: string }> {
	const sink = await start("sink");
	await sink.ask("mode", mode);
	return { sink, url: await urlOf(sink) };
}

interface Measured extends Loaded {
	/** µs of the server's CPU per event, the fan-out's included: what a busy machine blurs least. */
	cpu: number;
}

interface Round {
	control: Measured;
	proxy: Measured;
	/** From the last 202 to the journal being empty. */
	fanOutMs: number;
}

/** The same load on both in turn, after one round that is not counted. */
async function alternate(controlServer: Child, proxy: Child, { ms, rounds }: Settings): Promise<Round[]> {
	const load = await start("load");
	const [controlUrl, proxyUrl] = [await urlOf(controlServer), await urlOf(proxy)];
	const on = (url: string) => load.ask<Loaded>("round", { url, ms, connections, tracksOnly: false } satisfies Load);
	async function measure<More>(server: Child, url: string, after: () => Promise<More>) {
		const before = await server.ask<number>("cpu");
		const loaded = await on(url);
		const more = await after();
		return { ...loaded, ...more, cpu: ((await server.ask<number>("cpu")) - before) / loaded.events };
	}
	const measured: Round[] = [];
	for (let round = 0; round <= rounds; round += 1) {
		const control = await measure(controlServer, controlUrl, async () => ({}));
		const fannedOut = async () => ({ fanOutMs: await proxy.ask<number>("fannedOut") });
		const { fanOutMs, ...ofProxy } = await measure(proxy, proxyUrl, fannedOut);
		measured.push({ control, proxy: ofProxy, fanOutMs });
	}
	return measured.slice(1);
}

const rateOf = (loaded: Loaded[]) => thousands(median(loaded.map(({ rate }) => rate)));

function ingestNote(rounds: Round[]): string {
	const [proxy, control] = [rounds.map((round) => round.proxy), rounds.map((round) => round.control)];
	const cpuOf = (measured: Measured[]) => median(measured.map(({ cpu }) => cpu)).toFixed(1);
	return `${rateOf(proxy)} of ${rateOf(control)} events/s; CPU ${cpuOf(proxy)} and ${cpuOf(control)} µs an event`;
}

/** Durable ingest ÷ a server that parses and answers; and how long the fan-out is behind. In a store of its own, or the one named. */
export async function ingest(settings: Settings, store?: string): Promise<Row[]> {
	const { destinations } = settings;
	const { url: sink } = await sinkThat("refuse");
	const proxy = await proxyTo({ sink, destinations, ...(store && { store }) });
	const rounds = await alternate(await control({ kind: "parse" }), proxy, settings);
	return [
		{
			what: `durable ingest, ${destinations} destinations ÷ node:http + JSON.parse`,
			values: rounds.map(({ proxy, control }) => proxy.rate / control.rate),
			target: ">= 0.50, floor 0.35",
			meets: atLeast(0.5),
			note: ingestNote(rounds),
		},
		{
			what: "the same, counted until all is fanned out",
			values: rounds.map(
				({ proxy, control, fanOutMs }) => proxy.events / (proxy.events / proxy.rate + fanOutMs / 1_000) / control.rate,
			),
			target: ">= 0.35",
			meets: atLeast(0.35),
		},
		{
			what: "fan-out behind the last 202",
			values: rounds.map(({ fanOutMs }) => fanOutMs / 1_000),
			target: "<= 2 s",
			meets: atMost(2),
			unit: " s",
		},
	];
}

/** LD_PRELOAD's library that slows every fsync, compiled here; undefined where there is no C compiler. */
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

/** Durable ingest ÷ a transaction per request, where each fsync takes 2 ms more. */
export async function slowDisk(settings: Settings): Promise<Row[]> {
	const slow = slowSync();
	if (!slow) {
		process.stderr.write("slowDisk is left out: there is no C compiler (cc, or what CC names)\n");
		return [];
	}
	try {
		const env = { LD_PRELOAD: slow.library, SLOWSYNC_US: "2000" };
		const { destinations } = settings;
		const { url: sink } = await sinkThat("refuse");
		const rounds = await alternate(
			await control({ kind: "transaction" }, env),
			await proxyTo({ sink, destinations }, env),
			settings,
		);
		return [
			{
				what: "durable ingest, fsync + 2 ms ÷ a transaction per request",
				values: rounds.map(({ proxy, control }) => proxy.rate / control.rate),
				target: ">= 8",
				meets: atLeast(8),
				note: ingestNote(rounds),
			},
			{
				what: "fan-out behind the last 202, fsync + 2 ms",
				values: rounds.map(({ fanOutMs }) => fanOutMs / 1_000),
				target: "<= 2 s",
				meets: atMost(2),
				unit: " s",
			},
		];
	} finally {
		slow.remove();
	}
}

/** Requests that reach the providers' stand-in ÷ bare `ky` loops of the same concurrency. */
export async function delivery({ ms, rounds, destinations }: Settings): Promise<Row[]> {
	const { sink, url } = await sinkThat("hold");
	const proxy = await proxyTo({ sink: url, destinations });
	const bare = await control({ kind: "ky", sink: (await sinkThat("answer")).url });
	const load = await start("load");
	// Tracks only: an update that changes nothing costs no request, so that requests would not say what was done.
	const backlog: Load = { url: await urlOf(proxy), ms: 500, connections: 8, tracksOnly: true };
	await load.ask("round", backlog);
	await proxy.ask("fannedOut");

	const values: number[] = [];
	const rates: { proxy: number; bare: number }[] = [];
	for (let round = 0; round <= rounds; round += 1) {
		const before = await sink.ask<number>("answered");
		const since = performance.now();
		await sink.ask("mode", "answer");
		await new Promise((done) => setTimeout(done, ms));
		await sink.ask("mode", "hold");
		const sent = (await sink.ask<number>("answered")) - before;
		const rate = sent / ((performance.now() - since) / 1_000);
		// The proxy's requests under way are held: it rests while the loops run.
		const other = await bare.ask<number>("run", { ms, loops: concurrency * destinations });
		if (round === 0) continue;
		values.push(rate / other);
		rates.push({ proxy: rate, bare: other });
	}
	return [
		{
			what: `delivery, ${destinations} destinations ÷ bare ky loops`,
			values,
			target: ">= 0.80",
			meets: atLeast(0.8),
			note: `${Math.round(median(rates.map((each) => each.proxy)))} of ${Math.round(median(rates.map((each) => each.bare)))} requests/s`,
		},
	];
}

/** From the post to the provider through an idle proxy ÷ through a handler that stores nothing. */
export async function latency({ ms, rounds }: Settings): Promise<Row[]> {
	const client = await start("latency");
	const sink = await urlOf(client);
	const urls = await Promise.all(
		[await proxyTo({ sink, destinations: 1 }), await control({ kind: "forward", sink })].map(urlOf),
	);
	const values: number[] = [];
	const all: [number, number][] = [];
	for (let round = 0; round <= rounds; round += 1) {
		const [proxy = [], forward = []] = await client.ask<number[][]>("compare", { urls, times: Math.ceil(ms / 20) });
		if (round === 0) continue;
		values.push(median(proxy) / median(forward));
		all.push([median(proxy), median(forward)]);
	}
	const p50 = (which: 0 | 1) => median(all.map((each) => each[which])).toFixed(1);
	return [
		{
			what: "post to provider, p50, idle ÷ Express that forwards at once",
			values,
			target: "<= 5",
			meets: atMost(5),
			note: `${p50(0)} of ${p50(1)} ms`,
		},
	];
}
