import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, onTestFailed, vi } from "vitest";
import { createHold } from "../../server/delivery/hold.ts";
import { createProxy, type EventProxy } from "../../server/index.ts";
import { temporaryFolder } from "../support/served.ts";

const people = Array.from({ length: 200 }, (_, index) => `person-${index}@chaos.example`);
const eventsEach = 10;
/** Share of requests that fail, in equal parts by each of the faults. */
const share = 0.3;
const faults = ["limited", "failing", "reset before", "reset after", "slow"] as const;
/** Real time between two advances of the fake clock. */
const tickMs = 2;
/** Fake time that each advance skips while no request is under way. */
const leapMs = 5_000;

/**
 * Creates a generator of numbers from 0 to 1 that a seed determines:
 * https://github.com/bryc/code/blob/master/jshash/PRNGs.md#mulberry32
 */
function seeded(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** Creates a Crisp with random faults. Its successes are real, but the answer of a success may get lost. */
function createFaultyCrisp(random: () => number) {
	const done = new Map(people.map((email) => [email, [] as string[]]));
	const lostAnswers = new Map<string, number>();
	const faultCounts = Object.fromEntries(faults.map((fault) => [fault, 0]));
	let underWay = 0;

	const answer = (response: ServerResponse, status: number, reason: string, headers: Record<string, string> = {}) =>
		response
			.writeHead(status, { "Content-Type": "application/json", ...headers })
			.end(JSON.stringify({ error: status >= 400, reason, data: {} }));

	async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
		underWay += 1;
		response.once("close", () => {
			underWay -= 1;
		});
		// The proxy's probe.
		if (request.method === "GET") return void answer(response, 200, "resolved");
		const text: string = JSON.parse((await request.setEncoding("utf8").toArray()).join("")).text;
		const email = decodeURIComponent(request.url?.split("/").at(-1) ?? "");
		const fault = random() < share ? faults[Math.floor(random() * faults.length)] : undefined;
		if (fault) faultCounts[fault] = (faultCounts[fault] ?? 0) + 1;
		if (fault === "limited") return void answer(response, 429, "rate_limited", { "Retry-After": "1" });
		if (fault === "failing") return void answer(response, 500, "internal_error");
		if (fault === "reset before") return void request.socket.resetAndDestroy();
		done.get(email)?.push(text);
		if (fault === "reset after") {
			lostAnswers.set(`${email} ${text}`, 1 + (lostAnswers.get(`${email} ${text}`) ?? 0));
			return void request.socket.resetAndDestroy();
		}
		if (fault === "slow") await delay(20);
		answer(response, 200, "dispatched");
	}

	return {
		server: createServer((request, response) => void receive(request, response)),
		done,
		lostAnswers,
		faultCounts,
		isIdle: () => underWay === 0,
	};
}

describe("a provider that fails three requests in ten", () => {
	const folder = temporaryFolder();
	let proxy: EventProxy;
	let crisp: ReturnType<typeof createFaultyCrisp>;
	let pump: NodeJS.Timeout;
	const seed = Math.floor(Math.random() * 2 ** 32);

	beforeEach(async () => {
		const random = seeded(seed);
		crisp = createFaultyCrisp(random);
		crisp.server.listen(0, "127.0.0.1");
		await once(crisp.server, "listening");
		const address = crisp.server.address();
		const port = typeof address === "object" && address ? address.port : 0;
		// Skip the proxy's waits of seconds and minutes.
		vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
		pump = setInterval(() => vi.advanceTimersByTime(crisp.isIdle() ? leapMs : tickMs), tickMs);
		proxy = createProxy({
			sites: [
				{
					writeKey: "site_chaos",
					origins: ["https://shop.example"],
					serverKey: "server-key",
					crisp: {
						websiteId: "website",
						identifier: "identifier",
						key: "key",
						baseUrl: `http://127.0.0.1:${port}/v1`,
						budget: 10_000_000,
					},
				},
			],
			store: `sqlite:${folder.path}/store.db`,
			logLevel: "silent",
		});
		await proxy.start();
	});
	afterEach(async () => {
		await proxy.stop();
		clearInterval(pump);
		vi.useRealTimers();
		crisp.server.close();
		crisp.server.closeAllConnections();
		folder.remove();
	});

	it("gets each person's events in order, and twice only if an answer was lost", async () => {
		onTestFailed(() => void process.stderr.write(`the provider's faults came from seed ${seed}\n`));
		const all = Promise.withResolvers<void>();
		const names = Array.from({ length: eventsEach }, (_, index) => `event ${index}`);
		crisp.server.on("request", (_request, response: ServerResponse) =>
			response.once("close", () => {
				if ([...crisp.done.values()].every((each) => each.at(-1) === names.at(-1))) all.resolve();
			}),
		);
		await Promise.all(
			people.map(async (email) => {
				for (const name of names) await proxy.track({ type: "track", name, person: { email } });
			}),
		);
		await all.promise;
		// Stop the proxy first, so that requests repeated after a lost last answer are over.
		await proxy.stop();
		for (const email of people) {
			const once = crisp.done.get(email)?.filter((name, index, done) => name !== done[index - 1]);
			expect(once, email).toEqual(names);
			for (const name of names) {
				const times = crisp.done.get(email)?.filter((each) => each === name).length ?? 0;
				const lost = crisp.lostAnswers.get(`${email} ${name}`) ?? 0;
				if (name === names.at(-1)) expect(times).toBeLessThanOrEqual(1 + lost);
				else expect(times, `${email} ${name}`).toBe(1 + lost);
			}
		}
		for (const fault of faults) expect(crisp.faultCounts[fault], fault).toBeGreaterThan(50);
	}, 240_000);
});

it("one person's failure right after a rate limit has ended pauses nobody else", () => {
	const hold = createHold({ requests: 10_000, per: "day" });
	hold.wait("rate_limited", 1_000, 0);
	hold.failed(1, "timeout", 1_000);
	expect(hold.until()).toBeLessThanOrEqual(1_000);
});
