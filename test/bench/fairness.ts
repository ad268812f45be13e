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

/** Arrival of an event at a provider, at `at` ms. Lookups are left out. */
interface Arrival {
	name: Name;
	person: string;
	at: number;
}

/** Answer that all three providers' clients take for success; its id answers HelpCrunch's lookup of a customer. */
const success = JSON.stringify({ error: false, reason: "ok", data: [{ id: 1 }] });

/** Starts the providers' stand-in in this process and records arrivals. The provider `dead` resets every connection. */
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
		/** Answers held requests, and each later one at once. */
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

/** Runs `work` with a proxy of these budgets: requests per day (Crisp), minute (HelpCrunch) or second (Vibetrace). */
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

async function until(isDone: () => boolean): Promise<void> {
	while (!isDone()) await delay(5);
}

/** Requests sent ÷ requests allowed, for a destination with more events waiting than its budget. */
export async function limit({ ms, rounds }: Settings): Promise<Result[]> {
	const perSecond = 60;
	const seconds = Math.max(4, Math.ceil((ms * rounds) / 1_000));
	return withProxy({ vibetrace: perSecond }, undefined, async (proxy, sink) => {
		await post(proxy, "ada", perSecond);
		for (let person = 0; person < seconds + 3; person += 1) await post(proxy, `visitor-${person}`, perSecond);
		sink.open();
		await until(() => sink.arrivals.length > perSecond);
		// Count whole windows from the next one on, so that the burst saved up before is left out.
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

/** Starts delivery and waits for `count` arrivals that `isCounted` accepts; resolves to their delays in ms. */
async function arrivalsOf(sink: Sink, count: number, isCounted: (arrival: Arrival) => boolean): Promise<number[]> {
	const since = performance.now();
	sink.open();
	await until(() => sink.arrivals.filter(isCounted).length >= count);
	return sink.arrivals.filter(isCounted).map(({ at }) => at - since);
}

const p99 = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? 0;

/** Measures once with the disturbance (ours) and once without it (theirs) in each round. */
async function inTurn(rounds: number, measured: (isDisturbed: boolean) => Promise<number>) {
	const ours: number[] = [];
	const theirs: number[] = [];
	for (let round = 0; round < rounds; round += 1) {
		ours.push(await measured(true));
		theirs.push(await measured(false));
	}
	return { ours, theirs };
}

/** Waiting time (p99) of others beside a person with nine tenths of the backlog ÷ without this person. */
export async function hog({ rounds }: Settings): Promise<Result[]> {
	const people = Array.from({ length: 50 }, (_, index) => `visitor-${index}`);
	const each = 20;
	const wait = (isDisturbed: boolean) =>
		withProxy({ vibetrace: 400 }, undefined, async (proxy, sink) => {
			if (isDisturbed) await post(proxy, "hog", people.length * each * 9);
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

/** Delivery rate of two destinations beside a dead third ÷ beside a living third. */
export async function deadDestination({ rounds }: Settings): Promise<Result[]> {
	const people = Array.from({ length: 100 }, (_, index) => `visitor-${index}`);
	const rate = (dead: Name | undefined) =>
		withProxy({ vibetrace: 1_000_000, helpcrunch: 60_000_000, crisp: 1_000_000_000 }, dead, async (proxy, sink) => {
			for (const person of people) await post(proxy, person, 30);
			const isCounted = ({ name }: Arrival) => name !== "crisp";
			const times = await arrivalsOf(sink, people.length * 30 * 2, isCounted);
			return times.length / (Math.max(...times) / 1_000);
		});
	return [
		{
			name: "two destinations beside a dead third",
			unit: "requests/s",
			...(await inTurn(rounds, (isDisturbed) => rate(isDisturbed ? "crisp" : undefined))),
			peer: "beside a living third",
			betterIs: "higher",
			target: { atLeast: 0.95 },
		},
	];
}

/** Delivery rate for others beside 5 % of people whose requests all fail ÷ without them. */
export async function blockedPeople({ rounds }: Settings): Promise<Result[]> {
	const others = Array.from({ length: 190 }, (_, index) => `visitor-${index}`);
	const rate = (isDisturbed: boolean) =>
		withProxy({ vibetrace: 1_000_000 }, undefined, async (proxy, sink) => {
			for (const [index, person] of others.entries()) {
				// Spread the blocked people out, because ten failures in a row count as an outage.
				if (isDisturbed && index % 19 === 0) await post(proxy, `blocked-${index}`, 20);
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
