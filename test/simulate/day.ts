import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../server/index.ts";
import type { Event } from "../../shared/event.ts";
import type { SimulatedClock } from "./clock.ts";
import { createLedger } from "./ledger.ts";
import { readLeft } from "./left.ts";
import { createNetwork } from "./network.ts";
import { type Budgets, startProviders } from "./providers.ts";
import { createRandom } from "./random.ts";
import { type RunningShop, startShop } from "./shop.ts";
import { createVisitor, type Day, part, type Visitor, visit } from "./visitors.ts";

export interface Scale {
	visitors: number;
	seed: number;
	/** Where the store's folder is made. */
	folder: string;
	onHour(hour: number): void;
}

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
/** How many come in each hour of the day, relative to one another. */
const hours = [6, 3, 2, 2, 2, 5, 13, 28, 42, 54, 61, 63, 62, 59, 56, 54, 55, 58, 64, 72, 79, 74, 52, 24];

const writeKey = "site_shop";
const serverKey = "server-key-of-the-simulation";
const adminToken = "admin-token-of-the-simulation";
const origin = "https://shop.example";
/** Sources of events that are no visitors. */
const backend = -1;
const forger = -2;

/** What the providers allow a shop of this size: a daily quota that is too small, a minute's that is just enough. */
const budgetsFor = (visitors: number): Budgets => ({
	crisp: Math.max(100, Math.round(visitors / 5)),
	helpcrunch: Math.max(3, Math.round((visitors * 120) / 50_000)),
	vibetrace: 10,
});

/** What has waited longer for Crisp is of no use to this shop's support any more. */
export const crispWait = 12 * hour;

/** How much waited for a destination at a time, and what its state was. */
export interface Sample {
	at: number;
	destination: string;
	waiting: number;
	state: string;
}
export const sampleMs = 10 * minute;

/** Lives through a day; resolves to all that was written down of it. */
export async function live(clock: SimulatedClock, { visitors, seed, folder: parent, onHour }: Scale) {
	const { sleep, now, during } = clock;
	const startAt = now();
	const random = createRandom(seed);
	const folder = mkdtempSync(join(parent, "eventferry-day-"));
	const store = join(folder, "store.db");
	const budgets = budgetsFor(visitors);
	const providers = await startProviders(budgets, Math.round(budgets.crisp * 0.03));
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
				crisp: { ...destinations.crisp, budget: budgets.crisp, maxWait: crispWait },
				helpcrunch: { ...destinations.helpcrunch, budget: budgets.helpcrunch },
				vibetrace: { ...destinations.vibetrace, budget: budgets.vibetrace },
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
	const incidents: { what: string; from: number; to: number }[] = [];
	let running: RunningShop | undefined;

	async function open(): Promise<void> {
		running = await startShop(config);
		network.proxy = running.url;
	}

	/** A new version goes out: for some seconds nobody listens. */
	async function deploy(): Promise<void> {
		const from = now();
		network.proxy = undefined;
		await running?.stop();
		await sleep(15 * second);
		await open();
		incidents.push({ what: "deploy", from, to: now() });
	}

	/** The backend's events: tried again until the proxy has them. */
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

	/** A visitor's day: one visit, of some another one some hours later. */
	async function come(index: number): Promise<void> {
		const visitor = createVisitor(index, seed);
		const { kind, person, random: own } = visitor;
		counts.visitors[kind] += 1;
		// Half of the members are known to the providers from earlier days.
		if (kind === "member" && own.chance(0.5)) {
			for (const name of ["crisp", "helpcrunch", "vibetrace"] as const) {
				if (person.email !== undefined || name === "helpcrunch") providers.sandbox.addPerson(name, person);
			}
		}
		here.add(visitor);
		await visit(day, visitor);
		while (own.chance(0.2)) {
			const pause = own.between(hour, 8 * hour);
			if (now() + pause >= day.closesAt) break;
			await sleep(pause);
			await visit(day, visitor);
		}
		// What is still under way to the proxy is waited for.
		await sleep(30 * second);
		leave(visitor);
	}

	const here = new Set<Visitor>();
	function leave(visitor: Visitor): void {
		if (here.delete(visitor)) part(day, visitor);
	}

	/** Visitors in the order they come. */
	async function arrivals(): Promise<void> {
		// An hour as often as its weight says.
		const weighted = hours.flatMap((weight, place) => Array.from({ length: weight }, () => place));
		const times = Array.from(
			{ length: visitors },
			() => startAt + ((weighted[random.whole(0, weighted.length - 1)] ?? 0) + random.next()) * hour,
		).sort((a, b) => a - b);
		for (const [index, at] of times.entries()) {
			if (at >= day.closesAt) break;
			await sleep(at - now());
			coming.push(come(index));
		}
	}
	const coming: Promise<void>[] = [];

	/** A newsletter at ten: some of those it was sent to open it, some of them several times. */
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

	/** Programs that post without a browser and say so. */
	async function scrapers(): Promise<void> {
		for (let scraper = 0; scraper < visitors / 250; scraper += 1) {
			await sleep(random.around((23 * hour * 250) / visitors));
			const body = batchOf(forger, `scraped${scraper}@example.com`);
			const answer = await network
				.post("/ferry/v1/batch", body, { origin, "content-type": "text/plain", "user-agent": "python-requests/2.33" })
				.catch(() => undefined);
			if (answer) ledger.answered(forger, body, answer, now(), { sent: network.count(), answered: network.count() });
			else ledger.unheard(forger, body);
		}
	}

	/** One that calls itself a browser and invents people, as fast as it is let. */
	async function forgery(): Promise<void> {
		await sleep(4 * hour);
		for (let post = 0; post < 400; post += 1) {
			await sleep(100);
			const body = batchOf(forger, `invented${post}@example.com`);
			const sent = network.count();
			const headers = {
				origin,
				"content-type": "text/plain",
				"user-agent": "Mozilla/5.0 Chrome/147.0.0.0",
				"x-forwarded-for": "203.0.113.9",
			};
			const answer = await network.post("/ferry/v1/batch", body, headers).catch(() => undefined);
			if (answer) ledger.answered(forger, body, answer, now(), { sent, answered: network.count() });
			else ledger.unheard(forger, body);
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

	async function at(hours: number, what: () => Promise<void>): Promise<void> {
		await sleep(hours * hour);
		await what();
	}
	const outage = async () => {
		const from = now();
		await providers.outage("helpcrunch", 2 * hour, sleep);
		incidents.push({ what: "HelpCrunch is down", from, to: now() });
	};

	const samples: Sample[] = [];
	/** Notes how much waits for each destination. */
	async function look(): Promise<void> {
		const at = now();
		if (network.proxy === undefined) return;
		const headers = { authorization: `Bearer ${adminToken}` };
		const asked = fetch(`${network.proxy}/ferry/admin/stats`, { headers }).then((answer) => answer.json());
		const { destinations: all } = (await during(asked)) as {
			destinations: Record<string, { waiting: number; state: string }>;
		};
		for (const [destination, { waiting, state }] of Object.entries(all))
			samples.push({ at, destination, waiting, state });
	}
	const watching = setInterval(() => void look(), sampleMs);

	await open();
	const life = [arrivals(), newsletter(), scrapers(), forgery(), at(13, outage)];
	for (const each of [9.5, 11.75, 14.2, 20.25]) life.push(at(each, deploy));
	for (let each = 1; each <= 24; each += 1) {
		await clock.runUntil(startAt + each * hour);
		onHour(each);
	}
	clearInterval(watching);
	for (const visitor of here) {
		for (const page of visitor.browser.pages) page.close();
		leave(visitor);
	}
	await running?.stop();
	network.close();
	const persons = new Set(ledger.entries.flatMap(({ accepted }) => accepted?.person ?? []));
	const left = await readLeft(store, writeKey, [...persons]);
	const people = {
		crisp: sandbox.people("crisp"),
		helpcrunch: sandbox.people("helpcrunch"),
		vibetrace: sandbox.people("vibetrace"),
	};
	await providers.stop();
	rmSync(folder, { recursive: true, force: true });
	return { startAt, budgets, ledger, counts, incidents, samples, left, people, seen: providers.seen };
}
