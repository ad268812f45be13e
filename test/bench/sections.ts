import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Child, start } from "./children.ts";
import type { ControlOptions } from "./controls.ts";
import type { Load, Loaded } from "./load.ts";
import type { ProxyOptions } from "./proxy.ts";
import { median, type Result } from "./result.ts";
import type { Mode } from "./sink.ts";

export interface Settings {
	/** Length of each measured round. */
	ms: number;
	rounds: number;
	/** How many destinations an event goes to. */
	destinations: number;
}

const connections = 32;
/** Requests under way per destination, as in server/delivery/window.ts. */
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

/** Rates of both, and what an event costs both. */
function ratesAndCosts(rounds: Round[], name: string, peer: string, atLeast: number): Result[] {
	const both = (of: (measured: Measured) => number) => ({
		ours: rounds.map(({ proxy }) => of(proxy)),
		theirs: rounds.map(({ control }) => of(control)),
		peer,
	});
	return [
		{ name, unit: "events/s", ...both(({ rate }) => rate), betterIs: "higher", target: { atLeast } },
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

/** Durable ingest ÷ a server that parses and answers; and how long the fan-out is behind. In a store of its own, or the one named. */
export async function ingest(settings: Settings, store?: string): Promise<Result[]> {
	const { destinations } = settings;
	const { url: sink } = await sinkThat("refuse");
	const proxy = await proxyTo({ sink, destinations, ...(store && { store }) });
	const rounds = await alternate(await control({ kind: "parse" }), proxy, settings);
	return [
		...ratesAndCosts(rounds, `durable ingest, ${destinations} destinations`, bare, 0.5),
		{
			name: "durable ingest, counted until all is fanned out",
			unit: "events/s",
			ours: rounds.map(({ proxy, fanOutMs }) => proxy.events / (proxy.events / proxy.rate + fanOutMs / 1_000)),
			theirs: rounds.map(({ control }) => control.rate),
			peer: bare,
			betterIs: "higher",
			target: { atLeast: 0.35 },
		},
		fanOut(rounds, "fan-out behind the last 202"),
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
export async function slowDisk(settings: Settings): Promise<Result[]> {
	const slow = slowSync();
	if (!slow) throw new Error("there is no C compiler (cc, or what CC names)");
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
			...ratesAndCosts(rounds, "durable ingest, fsync + 2 ms", "a transaction per request", 8),
			fanOut(rounds, "fan-out behind the last 202, fsync + 2 ms"),
		];
	} finally {
		slow.remove();
	}
}

/** Requests that reach the providers' stand-in ÷ bare `ky` loops of the same concurrency. */
export async function delivery({ ms, rounds, destinations }: Settings): Promise<Result[]> {
	const { sink, url } = await sinkThat("hold");
	const proxy = await proxyTo({ sink: url, destinations });
	const answering = await sinkThat("answer");
	const bare = await control({ kind: "ky", sink: answering.url });
	const load = await start("load");
	// Tracks only: an update that changes nothing costs no request, so that requests would not say what was done.
	const backlog: Load = { url: await urlOf(proxy), ms: 500, connections: 8, tracksOnly: true };
	await load.ask("round", backlog);
	await proxy.ask("fannedOut");

	/** Requests that a sink answers meanwhile: by the second, and the µs of CPU that each cost the process and its main thread. */
	async function measure(server: Child, at: Child, work: () => Promise<unknown>) {
		const look = async () => ({
			answered: await at.ask<number>("answered"),
			cpu: await server.ask<number>("cpu"),
			mainCpu: await server.ask<number>("mainCpu"),
			now: performance.now(),
		});
		const before = await look();
		await work();
		const after = await look();
		const requests = after.answered - before.answered;
		return {
			rate: requests / ((after.now - before.now) / 1_000),
			cpu: (after.cpu - before.cpu) / requests,
			mainCpu: (after.mainCpu - before.mainCpu) / requests,
		};
	}
	const measured: Record<"proxy" | "bare", Awaited<ReturnType<typeof measure>>>[] = [];
	for (let round = 0; round <= rounds; round += 1) {
		const ofProxy = await measure(proxy, sink, async () => {
			await sink.ask("mode", "answer");
			await new Promise((done) => setTimeout(done, ms));
			await sink.ask("mode", "hold");
		});
		// The proxy's requests under way are held: it rests while the loops run.
		const ofBare = await measure(bare, answering.sink, () =>
			bare.ask("run", { ms, loops: concurrency * destinations }),
		);
		if (round > 0) measured.push({ proxy: ofProxy, bare: ofBare });
	}
	const name = `delivery, ${destinations} destinations`;
	const both = (of: (measured: Awaited<ReturnType<typeof measure>>) => number) => ({
		ours: measured.map(({ proxy }) => of(proxy)),
		theirs: measured.map(({ bare }) => of(bare)),
		peer: "bare ky loops",
	});
	return [
		{ name, unit: "requests/s", ...both(({ rate }) => rate), betterIs: "higher", target: { atLeast: 0.8 } },
		{ name: `${name}: CPU a request`, unit: "µs", ...both(({ cpu }) => cpu), betterIs: "lower" },
		{ name: `${name}: CPU of the main thread`, unit: "µs", ...both(({ mainCpu }) => mainCpu), betterIs: "lower" },
	];
}

/** From the post to the provider through an idle proxy ÷ through a handler that stores nothing. */
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
