import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createProxy, type EventProxy } from "../../server/index.ts";
import { listen } from "./listen.ts";
import type { Result } from "./result.ts";
import type { Settings } from "./sections.ts";

type Name = "crisp" | "helpcrunch" | "vibetrace";

/** An event's arrival at a provider, lookups left out: whose it is, and when, ms. */
interface Arrival {
	name: Name;
	person: string;
	at: number;
}

/** A success to each of the three, with a customer's id for the one that looks it up. */
const success = JSON.stringify({ error: false, reason: "ok", data: [{ id: 1 }] });

/** The providers' stand-in in this very process, which writes down what arrives. A dead one resets every connection. */
async function startSink(dead?: Name) {
	const arrivals: Arrival[] = [];
	let isHolding = true;
	let release = () => {};
	let released = new Promise<void>((done) => {
		release = done;
	});
	const server = createServer(async (request, response) => {
		const [, name = ""] = request.url?.split("/") ?? [];
		if (name === dead) return void request.socket.destroy();
		const chunks: Buffer[] = [];
		for await (const chunk of request) chunks.push(chunk);
		if (isHolding) await released;
		const person = /[\w-]+@example\.com/.exec(decodeURIComponent(request.url ?? "") + Buffer.concat(chunks))?.[0] ?? "";
		if (/\/event/.test(request.url ?? "")) arrivals.push({ name: name as Name, person, at: performance.now() });
		const status = person.startsWith("blocked") ? 503 : 200;
		response.writeHead(status, { "content-type": "application/json" }).end(success);
	});
	const url = await listen(server);
	return {
		url,
		arrivals,
		/** Lets requests through from here on. */
		open() {
			isHolding = false;
			release();
			released = Promise.resolve();
		},
		close() {
			server.closeAllConnections();
			server.close();
		},
	};
}

type Sink = Awaited<ReturnType<typeof startSink>>;

/** Runs `work` with a proxy whose destinations may spend so many requests a second (Crisp: a day). */
async function withProxy<Result>(
	budgets: Partial<Record<Name, number>>,
	dead: Name | undefined,
	work: (proxy: EventProxy, sink: Sink) => Promise<Result>,
): Promise<Result> {
	const folder = mkdtempSync(join(tmpdir(), "eventferry-bench-"));
	const sink = await startSink(dead);
	const accounts = {
		crisp: { websiteId: "website", identifier: "identifier", key: "key" },
		helpcrunch: { apiKey: "key" },
		vibetrace: { apiKey: "key" },
	};
	const destinations = Object.entries(budgets).map(([name, budget]) => [
		name,
		{ ...accounts[name as Name], budget, baseUrl: `${sink.url}/${name}` },
	]);
	const proxy = createProxy({
		sites: [{ writeKey: "site_bench", origins: ["https://shop.example"], ...Object.fromEntries(destinations) }],
		store: `sqlite:${join(folder, "store.db")}`,
		logLevel: "silent",
	});
	try {
		await proxy.start();
		return await work(proxy, sink);
	} finally {
		sink.open();
		await proxy.stop(0);
		sink.close();
		rmSync(folder, { recursive: true, force: true });
	}
}

const post = (proxy: EventProxy, person: string, count: number) =>
	Promise.all(
		Array.from({ length: count }, () =>
			proxy.track({
				id: randomUUID(),
				type: "track",
				name: "product:viewed",
				person: { email: `${person}@example.com` },
			}),
		),
	);

async function until(isSo: () => boolean): Promise<void> {
	while (!isSo()) await delay(5);
}

/** Requests that arrive ÷ the requests that may, of a destination with more waiting than it may send. */
export async function limit({ ms, rounds }: Settings): Promise<Result[]> {
	const perSecond = 60;
	const seconds = Math.max(4, Math.ceil((ms * rounds) / 1_000));
	return withProxy({ vibetrace: perSecond }, undefined, async (proxy, sink) => {
		await post(proxy, "ada", perSecond);
		for (let person = 0; person < seconds + 3; person += 1) await post(proxy, `visitor-${person}`, perSecond);
		sink.open();
		await until(() => sink.arrivals.length > perSecond);
		// In whole windows from the next one on, so that what was saved up before does not count.
		const first = Math.ceil((performance.timeOrigin + performance.now()) / 1_000) + 1;
		await until(() => Date.now() >= (first + seconds) * 1_000);
		const times = sink.arrivals.map(({ at }) => performance.timeOrigin + at);
		const inWindows = times.filter((at) => at >= first * 1_000 && at < (first + seconds) * 1_000);
		const most = Math.max(...times.map((at) => times.filter((each) => each >= at && each < at + 1_000).length));
		return [
			{
				name: `requests sent in ${seconds} s`,
				unit: "requests",
				ours: [inWindows.length],
				theirs: [perSecond * seconds],
				peer: "the budget",
				betterIs: "higher",
				target: { atLeast: 0.95, atMost: 1 },
			},
			{
				name: "most requests in any second",
				unit: "requests",
				ours: [most],
				theirs: [2 * perSecond],
				peer: "limit + burst",
				betterIs: "lower",
				target: { atMost: 1 },
			},
		];
	});
}

/** ms from the start of delivery to each of the arrivals that are asked for. */
async function arrivalsOf(sink: Sink, count: number, isAsked: (arrival: Arrival) => boolean): Promise<number[]> {
	const since = performance.now();
	sink.open();
	await until(() => sink.arrivals.filter(isAsked).length >= count);
	return sink.arrivals.filter(isAsked).map(({ at }) => at - since);
}

const p99 = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? 0;

/** With what is measured beside others, and without it, in each round. */
async function inTurn(rounds: number, measured: (isBeside: boolean) => Promise<number>) {
	const ours: number[] = [];
	const theirs: number[] = [];
	for (let round = 0; round < rounds; round += 1) {
		ours.push(await measured(true));
		theirs.push(await measured(false));
	}
	return { ours, theirs };
}

/** How long others wait beside a person with nine tenths of the backlog ÷ without that person. */
export async function hog({ rounds }: Settings): Promise<Result[]> {
	const people = Array.from({ length: 50 }, (_, index) => `visitor-${index}`);
	const each = 20;
	const wait = (isBeside: boolean) =>
		withProxy({ vibetrace: 400 }, undefined, async (proxy, sink) => {
			if (isBeside) await post(proxy, "hog", people.length * each * 9);
			for (const person of people) await post(proxy, person, each);
			return p99(await arrivalsOf(sink, people.length * each, ({ person }) => person !== "hog@example.com"));
		});
	return [
		{
			name: "others' p99 beside a person with 90 % of the backlog",
			unit: "ms",
			...(await inTurn(Math.min(rounds, 3), wait)),
			peer: "without that person",
			betterIs: "lower",
			target: { atMost: 2 },
		},
	];
}

/** What two destinations deliver in the same time beside a dead third ÷ beside a living one. */
export async function deadDestination({ rounds }: Settings): Promise<Result[]> {
	const people = Array.from({ length: 100 }, (_, index) => `visitor-${index}`);
	const rate = (dead: Name | undefined) =>
		withProxy({ vibetrace: 1_000_000, helpcrunch: 60_000_000, crisp: 1_000_000_000 }, dead, async (proxy, sink) => {
			for (const person of people) await post(proxy, person, 30);
			const isAsked = ({ name }: Arrival) => name !== "crisp";
			const times = await arrivalsOf(sink, people.length * 30 * 2, isAsked);
			return times.length / (Math.max(...times) / 1_000);
		});
	return [
		{
			name: "two destinations beside a dead third",
			unit: "requests/s",
			...(await inTurn(rounds, (isBeside) => rate(isBeside ? "crisp" : undefined))),
			peer: "beside a living third",
			betterIs: "higher",
			target: { atLeast: 0.95 },
		},
	];
}

/** What others are delivered in the same time beside 5 % of people whose every request fails ÷ without them. */
export async function blockedPeople({ rounds }: Settings): Promise<Result[]> {
	const others = Array.from({ length: 190 }, (_, index) => `visitor-${index}`);
	const rate = (isBeside: boolean) =>
		withProxy({ vibetrace: 1_000_000 }, undefined, async (proxy, sink) => {
			for (const [index, person] of others.entries()) {
				// Spread out: ten failures in a row are an outage.
				if (isBeside && index % 19 === 0) await post(proxy, `blocked-${index}`, 20);
				await post(proxy, person, 20);
			}
			const times = await arrivalsOf(sink, others.length * 20, ({ person }) => person.startsWith("visitor"));
			return times.length / (Math.max(...times) / 1_000);
		});
	return [
		{
			name: "others beside 5 % of people who are blocked",
			unit: "requests/s",
			...(await inTurn(rounds, rate)),
			peer: "without them",
			betterIs: "higher",
			target: { atLeast: 0.95 },
		},
	];
}
