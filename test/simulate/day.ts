import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../server/index.ts";
import type { Event } from "../../shared/event.ts";
import type { SimulatedClock } from "./clock.ts";
import { createLedger } from "./ledger.ts";
import { createNetwork } from "./network.ts";
import { browsing, crispEvents } from "./outcome.ts";
import { type Budgets, startProviders } from "./providers.ts";
import { createRandom } from "./random.ts";
import { readRemaining } from "./remaining.ts";
import { type RunningShop, startShop } from "./shop.ts";
import { createVisitor, type Day, settleFates, type Visitor, visit } from "./visitors.ts";

export interface Scale {
	visitors: number;
	seed: number;
	/** Parent of the folder with the store. */
	folder: string;
	/** Whether people are created at Crisp before it was asked for them. */
	createFirst: boolean;
	/** Called after each simulated hour. */
	onHour(hour: number): void;
}

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
/** Weights of the 24 hours: visitors arrive in proportion to them. */
const hours = [6, 3, 2, 2, 2, 5, 13, 28, 42, 54, 61, 63, 62, 59, 56, 54, 55, 58, 64, 72, 79, 74, 52, 24];

const writeKey = "site_shop";
const serverKey = "server-key-of-the-simulation";
const adminToken = "admin-token-of-the-simulation";
const origin = "https://shop.example";
/** Source numbers of the backend and of programs without a browser; visitors are numbered from 0. */
const backend = -1;
const program = -2;

/** Budgets for a shop of this size: Crisp's per day is too small, HelpCrunch's per minute is just enough. */
const budgetsFor = (visitors: number): Budgets => ({
	crisp: Math.max(100, Math.round(visitors / 5)),
	helpcrunch: Math.max(3, Math.round((visitors * 120) / 50_000)),
	vibetrace: 10,
});

/** Longest wait for Crisp, in ms. Older events are of no use to this shop's support. */
export const crispWait = 12 * hour;

/** Number of deliveries waiting for a destination, and its state, at one time. */
export interface Sample {
	at: number;
	destination: string;
	waiting: number;
	state: string;
}
/** Time between two samples. */
export const sampleMs = 10 * minute;

/** Simulates a day; resolves to the records of it. */
export async function simulateDay(
	clock: SimulatedClock,
	{ visitors, seed, folder: parent, createFirst, onHour }: Scale,
) {
	const { sleep, now, during } = clock;
	const startAt = now();
	const random = createRandom(seed);
	const folder = mkdtempSync(join(parent, "eventferry-day-"));
	const store = join(folder, "store.db");
	const budgets = budgetsFor(visitors);
	const providers = await startProviders(budgets);
	const { sandbox } = providers;
	const { destinations } = sandbox;
	const ledger = createLedger();
	const network = createNetwork(clock);
	const config: Config = {
		store: `sqlite:${store}`,
		logLevel: "error",
		adminToken,
		trustProxy: 1,
		rateLimit: { perAddress: 120 },
		sites: [
			{
				writeKey,
				origins: [origin],
				serverKey,
				crisp: {
					...{ ...destinations.crisp, createFirst, events: crispEvents },
					...{ budget: budgets.crisp, reserve: 0.05, maxWait: crispWait },
				},
				helpcrunch: { ...destinations.helpcrunch, budget: budgets.helpcrunch },
				vibetrace: { ...destinations.vibetrace, budget: budgets.vibetrace },
				rules: browsing.map((event) => ({ event, to: ["crisp"], digest: true as const })),
			},
		],
	};
	const counts: Day["counts"] = {
		visitors: { bot: 0, glance: 0, browse: 0, newcomer: 0, member: 0 },
		visits: 0,
		pages: 0,
		byBots: 0,
		optedOut: 0,
	};
	const incidents: { title: string; from: number; to: number }[] = [];
	const knownToCrisp = new Set<string>();
	let running: RunningShop | undefined;

	async function open(): Promise<void> {
		running = await startShop(config);
		network.proxy = running.url;
	}

	/** Deploys a new version: the proxy is down for some seconds. */
	async function deploy(): Promise<void> {
		const from = now();
		network.proxy = undefined;
		await running?.stop();
		await sleep(15 * second);
		await open();
		incidents.push({ title: "deploy", from, to: now() });
	}

	/** Posts an event of the backend again and again until the proxy accepts it. */
	async function report(
		event: Record<string, unknown> & Pick<Event, "type" | "data">,
		orderId?: string,
	): Promise<void> {
		const made = { id: crypto.randomUUID(), at: now(), ...event } as Event;
		ledger.capture(backend, made, { at: made.at, orderId, trusted: true });
		const body = JSON.stringify({ events: [made] });
		for (;;) {
			const sent = network.count();
			const answer = await network
				.post("/ferry/v1/events", body, { "content-type": "application/json", authorization: `Bearer ${serverKey}` })
				.catch(() => undefined);
			if (answer?.status === 202)
				return ledger.answered(backend, body, answer, now(), { sent, answered: network.count() });
			await sleep(5 * second);
		}
	}

	const day: Day = {
		clock,
		ledger,
		counts,
		closesAt: startAt + 24 * hour - 2 * minute,
		page: {
			clock,
			network,
			writeKey,
			origin,
			answered: ({ index }, body, answer, place) => ledger.answered(index, body, answer, now(), place),
			gone({ index }, { reason, events }) {
				for (const event of events) {
					const entry = ledger.find(index, event);
					if (entry && !entry.accepted) entry.fate = `dropped: ${reason}`;
				}
			},
		},
		async ordered({ orderId, email, ...order }) {
			await sleep(random.between(second, 3 * second));
			const n = ledger.nextNumber();
			await report({ type: "confirmation", person: { email }, data: { orderId, ...order, n } }, orderId);
			await sleep(random.between(5 * minute, 40 * minute));
			if (now() >= day.closesAt) return;
			const data = { n: ledger.nextNumber(), orderId };
			await report({ type: "track", name: "order:packed", person: { email }, data });
		},
	};

	/** Plays a visitor's day: one visit, and for some visitors more visits some hours later. */
	async function visitorDay(index: number): Promise<void> {
		const visitor = createVisitor(index, seed);
		const { kind, person, random: own } = visitor;
		counts.visitors[kind] += 1;
		// Half of the members are known to the providers from earlier days.
		if (kind === "member" && own.chance(0.5)) {
			for (const name of ["crisp", "helpcrunch", "vibetrace"] as const) {
				if (person.email !== undefined || name === "helpcrunch") providers.sandbox.addPerson(name, person);
			}
			if (person.email !== undefined) knownToCrisp.add(`email:${person.email}`);
		}
		present.add(visitor);
		await visit(day, visitor);
		while (own.chance(0.2)) {
			const pause = own.between(hour, 8 * hour);
			if (now() + pause >= day.closesAt) break;
			await sleep(pause);
			await visit(day, visitor);
		}
		// Wait for requests that are still under way to the proxy.
		await sleep(30 * second);
		leave(visitor);
	}

	const present = new Set<Visitor>();
	function leave(visitor: Visitor): void {
		if (present.delete(visitor)) settleFates(day, visitor);
	}

	/** Starts the visitors' days, in the order of arrival. */
	async function arrivals(): Promise<void> {
		// Repeat each hour by its weight, so that a random choice follows the weights.
		const weighted = hours.flatMap((weight, place) => Array.from({ length: weight }, () => place));
		const times = Array.from(
			{ length: visitors },
			() => startAt + ((weighted[random.whole(0, weighted.length - 1)] ?? 0) + random.next()) * hour,
		).sort((a, b) => a - b);
		for (const [index, at] of times.entries()) {
			if (at >= day.closesAt) break;
			await sleep(at - now());
			visitorDays.push(visitorDay(index));
		}
	}
	const visitorDays: Promise<void>[] = [];

	/** Reports the opened e-mails of a newsletter sent at ten; some readers open it twice. */
	async function newsletter(): Promise<void> {
		await sleep(10 * hour);
		const readers = Math.round(visitors * 0.02);
		for (let reader = 0; reader < readers; reader += 1) {
			await sleep(random.around((2 * hour) / readers));
			const email = `reader${reader}@example.com`;
			const open = () =>
				report({ type: "email_open", person: { email }, data: { campaign: "spring", n: ledger.nextNumber() } });
			await open();
			if (random.chance(0.2)) void sleep(random.between(second, 15 * minute)).then(open);
		}
	}

	/** Posts as scrapers, which have no browser and name themselves in the user agent. */
	async function scrapers(): Promise<void> {
		for (let scraper = 0; scraper < visitors / 250; scraper += 1) {
			await sleep(random.around((23 * hour * 250) / visitors));
			const body = batchOf(program, `scraped${scraper}@example.com`);
			const answer = await network
				.post("/ferry/v1/batch", body, { origin, "content-type": "text/plain", "user-agent": "python-requests/2.33" })
				.catch(() => undefined);
			if (answer) ledger.answered(program, body, answer, now(), { sent: network.count(), answered: network.count() });
			else ledger.unanswered(program, body);
		}
	}

	/** Posts as a forger, which invents people and pretends to be a browser. */
	async function forgery(): Promise<void> {
		await sleep(4 * hour);
		for (let post = 0; post < 400; post += 1) {
			await sleep(100);
			const body = batchOf(program, `invented${post}@example.com`);
			const sent = network.count();
			const headers = {
				origin,
				"content-type": "text/plain",
				"user-agent": "Mozilla/5.0 Chrome/147.0.0.0",
				"x-forwarded-for": "203.0.113.9",
			};
			const answer = await network.post("/ferry/v1/batch", body, headers).catch(() => undefined);
			if (answer) ledger.answered(program, body, answer, now(), { sent, answered: network.count() });
			else ledger.unanswered(program, body);
		}
	}

	function batchOf(source: number, email: string): string {
		const data = { n: ledger.nextNumber() };
		const event = {
			id: crypto.randomUUID(),
			type: "track",
			name: "forged",
			at: now(),
			person: { email },
			data,
		} as Event;
		ledger.capture(source, event, { at: now() });
		return JSON.stringify({ writeKey, sentAt: now(), events: [event] });
	}

	async function startAfter(hours: number, work: () => Promise<void>): Promise<void> {
		await sleep(hours * hour);
		await work();
	}
	const outage = async () => {
		const from = now();
		await providers.outage("helpcrunch", 2 * hour, sleep);
		incidents.push({ title: "HelpCrunch is down", from, to: now() });
	};

	const samples: Sample[] = [];
	/** Records the number of deliveries waiting for each destination. */
	async function sample(): Promise<void> {
		const at = now();
		if (network.proxy === undefined) return;
		const headers = { authorization: `Bearer ${adminToken}` };
		const answered = fetch(`${network.proxy}/ferry/admin/stats`, { headers }).then((answer) => answer.json());
		const { destinations: all } = (await during(answered)) as {
			destinations: Record<string, { waiting: number; state: string }>;
		};
		for (const [destination, { waiting, state }] of Object.entries(all))
			samples.push({ at, destination, waiting, state });
	}
	const watching = setInterval(() => void sample(), sampleMs);

	await open();
	const activities = [arrivals(), newsletter(), scrapers(), forgery(), startAfter(13, outage)];
	for (const each of [9.5, 11.75, 14.2, 20.25]) activities.push(startAfter(each, deploy));
	for (let each = 1; each <= 24; each += 1) {
		await clock.runUntil(startAt + each * hour);
		onHour(each);
	}
	clearInterval(watching);
	for (const visitor of present) {
		for (const page of visitor.browser.pages) page.close();
		leave(visitor);
	}
	await running?.stop();
	network.close();
	const persons = new Set(ledger.entries.flatMap(({ accepted }) => accepted?.person ?? []));
	const remaining = await readRemaining(store, writeKey, [...persons]);
	const people = {
		crisp: sandbox.people("crisp"),
		helpcrunch: sandbox.people("helpcrunch"),
		vibetrace: sandbox.people("vibetrace"),
	};
	await providers.stop();
	rmSync(folder, { recursive: true, force: true });
	const { seen } = providers;
	return { createFirst, startAt, budgets, ledger, counts, incidents, samples, remaining, people, knownToCrisp, seen };
}
