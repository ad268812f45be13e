import fc from "fast-check";
import { afterAll, expect, it } from "vitest";
import { knownFreshMs } from "../../../server/outbox/limits.ts";
import type {
	Claim,
	Destination,
	Lease,
	NewEvent,
	Outbox,
	OutboxStats,
	Settlement,
	TakeRequest,
} from "../../../server/outbox/outbox.ts";

/** Number of runs, each of up to 160 commands. A nightly run sets more. */
const runs = 3 * Number(process.env.EVENTFERRY_FAULT_ROUNDS ?? 5);

const sites = ["shop", "blog"];
const names = ["crisp", "helpcrunch"];
const destinations: Destination[] = sites.flatMap((site) => names.map((name) => ({ site, name })));
const persons = ["ada", "bob", "eve"];
const keyOf = ({ site, name }: Destination) => `${site}/${name}`;
/** Limits with a bucket for a whole window. The refill per ms is a binary fraction, so nothing is rounded. */
const limits = { cap: 8, reserve: 0, bucket: 8, windowMs: 1_024, windowOffsetMs: 0 };

// ---------------------------------------------------------------- the model

interface Entry {
	body: string;
	rank: number;
	/** True to be discarded instead of expiring as a dead letter. */
	lapses?: boolean;
	/** True if it ends a lane's wait for an event worth a profile. */
	earns?: boolean;
	/** Order of a purchase. */
	order?: string | undefined;
	/** Number of its batch. */
	batch?: number;
	/** 2 for the backend, 1 for a verified visitor, 0 for anybody else. */
	trust: number;
	/** Bounds of the real time at which it was stored. */
	stored: { from: number; to: number };
	/** History of a replayed dead letter. Attempts are undefined if the interface does not promise them. */
	past?: { attempts: number | undefined; firstAt: number };
}

interface Lane {
	destination: Destination;
	person: string;
	trust: number;
	entries: Entry[];
	state: "ready" | "leased" | "waiting";
	dueAt: number;
	rank: number;
	turn: number;
	id: number | undefined;
	lease: number;
	attempts: number;
	unreadable: number;
	failingSince: number | undefined;
	requests: number;
	shown: number;
	/** True if the lane waits for an event worth a profile, or is about to. */
	isAwaiting: boolean;
}

interface Dead {
	destination: Destination;
	person: string;
	entry: Entry;
	reason: string;
	status: number | undefined;
	attempts: number | undefined;
	firstAt: number | undefined;
	lastAt: number;
	id: string;
}

interface Account {
	delivered: number;
	leftOut: number;
	discarded: Record<string, number>;
	budget: { used: number; tokens: number; windowStart: number; refilledAt: number } | undefined;
	isKnown: boolean;
}

/** A plain model of the outbox, kept in lists. */
class Model {
	now = 0;
	turn = 0;
	lastBody = 0;
	events = 0;
	batches = 0;
	discarded: Record<string, number> = {};
	lanes: Lane[] = [];
	dead: Dead[] = [];
	claims = new Map<string, { since: number; until: number; trusted: boolean }>();
	/** Orders that discarded purchases gave back, by site, person and destination. */
	givenBack = new Set<string>();
	known = new Map<string, { value: string; usedAt: number }>();
	accounts = new Map<string, Account>(
		destinations.map((each) => [
			keyOf(each),
			{ delivered: 0, leftOut: 0, discarded: {}, budget: undefined, isKnown: false } satisfies Account,
		]),
	);
	/** Every lease ever handed out, with its lane. */
	held: { lease: Lease; lane: Lane }[] = [];
	laneIds = new Set<number>();

	account(destination: Destination): Account {
		const account = this.accounts.get(keyOf(destination));
		if (!account) throw new Error("no such destination");
		return account;
	}

	lanesOf(destination: Destination): Lane[] {
		return this.lanes.filter((lane) => keyOf(lane.destination) === keyOf(destination));
	}

	owe(destination: Destination, person: string, entry: Entry): void {
		this.account(destination).isKnown = true;
		const { trust, earns, past } = entry;
		for (const each of this.lanesOf(destination)) {
			if (each.person !== person || !each.isAwaiting || !(earns || past)) continue;
			Object.assign(each, { shown: 100, isAwaiting: false });
			if (each.state === "waiting") each.state = "ready";
		}
		const lane = this.lanesOf(destination).find((each) => each.person === person && each.trust === trust);
		if (lane) {
			lane.entries.push(entry);
			lane.rank = Math.min(lane.rank, entry.rank);
			return;
		}
		this.lanes.push({
			destination,
			person,
			trust,
			entries: [entry],
			state: "ready",
			dueAt: 0,
			rank: entry.rank,
			turn: this.turn++,
			id: undefined,
			lease: 0,
			attempts: 0,
			unreadable: 0,
			failingSince: undefined,
			requests: 0,
			shown: Number.POSITIVE_INFINITY,
			isAwaiting: false,
		});
	}

	/**
	 * Takes an event's claims. Returns the reason and, for a claim of one destination, that destination of each held one. A
	 * trusted purchase takes its order from an untrusted one that waits untried, at each destination where one does.
	 */
	claimAll(
		site: string,
		{ person, claims, destinations: to, trusted }: NewEvent,
	): { reason: string; destination?: string | undefined }[] {
		const groups = Map.groupBy(claims, ({ destination }) => destination);
		const ofAll = groups.get(undefined) ?? [];
		groups.delete(undefined);
		const holderOf = (claim: Claim) => this.holder(site, person, claim);
		const held = ofAll.filter(holderOf);
		const [only] = held.length === 1 && held[0]?.replaces && !holderOf(held[0])?.trusted ? held : [];
		const isBlocked = (claim: Claim) => holderOf(claim) && (holderOf(claim)?.trusted || !claim.ofPerson);
		const replaced = to.filter(
			(name) => only && !groups.get(name)?.some(isBlocked) && this.giveWay({ site, name }, person, only),
		);
		if (only && replaced.length > 0) {
			for (const claim of [...ofAll, ...replaced.flatMap((name) => groups.get(name) ?? [])])
				this.hold(site, person, claim, trusted);
			const lost = to.filter((name) => !replaced.includes(name));
			return lost.map((destination) => ({ reason: only.reason, destination }));
		}
		const whole = this.claim(site, person, ofAll, trusted);
		if (whole !== undefined) return [{ reason: whole }];
		return [...groups].flatMap(([destination, own]) => {
			const reason = this.claim(site, person, own, trusted);
			return reason === undefined ? [] : [{ reason, destination }];
		});
	}

	nameOf = (site: string, person: string, { key, ofPerson }: Claim) =>
		`${site} ${ofPerson ? `${person}'s ` : ""}${key}`;

	holder(site: string, person: string, claim: Claim) {
		const found = this.claims.get(this.nameOf(site, person, claim));
		return found && found.since <= claim.at && claim.at < found.until ? found : undefined;
	}

	hold(site: string, person: string, claim: Claim, trusted: boolean): void {
		const { since, until } = claim;
		this.claims.set(this.nameOf(site, person, claim), { since, until, trusted });
	}

	/** Takes some claims. If one is held, takes none and returns its reason. */
	claim(site: string, person: string, claims: Claim[], trusted: boolean): string | undefined {
		const held = claims.find((claim) => this.holder(site, person, claim));
		if (held) return held.reason;
		for (const claim of claims) this.hold(site, person, claim, trusted);
		return undefined;
	}

	/**
	 * Discards the first waiting purchase of an order, of an earlier batch and in a lane of least trust that is neither
	 * leased nor tried, unless the order was given back.
	 */
	giveWay(destination: Destination, person: string, { key, reason }: Claim): boolean {
		const isBack = this.givenBack.has(`${destination.site} ${person}'s ${key} at ${destination.name}`);
		const lane = this.lanesOf(destination).find((each) => each.person === person && each.trust === 0);
		if (!lane || lane.state === "leased" || lane.attempts + lane.unreadable + lane.requests > 0) return isBack;
		const place = lane.entries.findIndex(
			({ order, past, batch }) => past === undefined && batch !== this.batches && `order\n${order}` === key,
		);
		if (place < 0) return isBack;
		lane.entries.splice(place, 1);
		lane.rank = Math.min(...lane.entries.map(({ rank }) => rank));
		if (lane.entries.length === 0) this.lanes = this.lanes.filter((each) => each !== lane);
		const { discarded } = this.account(destination);
		discarded[reason] = (discarded[reason] ?? 0) + 1;
		return true;
	}

	/** Gives the order of a discarded delivery back, unless it is trusted or may have been sent. */
	giveBack({ destination, person, trust }: Lane, { order, past }: Entry, attempts: number): void {
		if (order === undefined || trust > 0 || past || attempts > 0) return;
		this.givenBack.add(`${destination.site} ${person}'s order\n${order} at ${destination.name}`);
	}

	/** Deletes everything about a person except claims that are not marked `ofPerson`. */
	forget(site: string, person: string): void {
		const isTheirs = (each: { destination: Destination; person: string }) =>
			each.destination.site === site && each.person === person;
		for (const { destination, entries } of this.lanes.filter(isTheirs)) {
			const { discarded } = this.account(destination);
			discarded.forgotten = (discarded.forgotten ?? 0) + entries.length;
		}
		this.lanes = this.lanes.filter((lane) => !isTheirs(lane));
		this.dead = this.dead.filter((dead) => !isTheirs(dead));
		for (const name of names) this.known.delete(`${site}/${name} ${person}`);
		for (const all of [this.claims, this.givenBack])
			for (const key of all.keys()) if (key.startsWith(`${site} ${person}'s `)) all.delete(key);
	}

	append(site: string, events: NewEvent[], stored: Entry["stored"]): void {
		this.events += events.length;
		this.batches += 1;
		for (const event of events) {
			const { person, body, destinations: to, rank: own, reserved, trusted, exceptions = {} } = event;
			const trust = reserved ? 2 : Number(trusted);
			const batch = this.batches;
			const [, order] = /"orderId":"(.)"/.exec(body.toString()) ?? [];
			const held = this.claimAll(site, event);
			for (const { reason, destination: name } of held) {
				const counts = name === undefined ? this.discarded : this.account({ site, name }).discarded;
				counts[reason] = (counts[reason] ?? 0) + 1;
			}
			for (const name of to) {
				if (held.some(({ destination = name }) => destination === name)) continue;
				const { rank = own, lapses = false, earns = false } = exceptions[name] ?? {};
				this.owe({ site, name }, person, { body: body.toString(), order, rank, lapses, earns, trust, stored, batch });
			}
		}
	}

	/** Tells whether a lease of a lane tells of an event worth a profile. */
	earns({ destination, person, shown }: Lane): boolean {
		const theirs = this.lanesOf(destination).filter((lane) => lane.person === person);
		return shown < Number.POSITIVE_INFINITY && theirs.some(({ entries }) => entries.some(({ earns }) => earns));
	}

	/** Returns the lanes that may be leased. */
	readyIn(destination: Destination, reservedOnly: boolean): Lane[] {
		const lanes = this.lanesOf(destination);
		const isFirst = ({ person, trust }: Lane) =>
			!lanes.some((other) => other.person === person && (other.trust > trust || other.state === "leased"));
		return lanes.filter((lane) => lane.state === "ready" && (!reservedOnly || lane.trust === 2) && isFirst(lane));
	}

	take(destination: Destination, most: number, served: number, reservedOnly: boolean, leaseMs: number): Lane[] {
		for (const lane of this.lanesOf(destination)) if (lane.dueAt <= this.now) lane.state = "ready";
		const taken: Lane[] = [];
		while (taken.length < most) {
			const isLongest = (served + taken.length) % 10 === 9;
			const [lane] = this.readyIn(destination, reservedOnly).sort(
				(a, b) => (isLongest ? 0 : a.rank - b.rank) || a.turn - b.turn,
			);
			if (!lane) break;
			lane.state = "leased";
			lane.dueAt = this.now + leaseMs;
			taken.push(lane);
		}
		return taken;
	}

	/** Removes a lane's leading entries, and the lane once it has none. */
	end(lane: Lane, count: number): Entry[] {
		const ended = lane.entries.splice(0, count);
		Object.assign(lane, { attempts: 0, unreadable: 0, failingSince: undefined, requests: 0 });
		lane.shown = Number.POSITIVE_INFINITY;
		lane.isAwaiting = false;
		lane.rank = Math.min(...lane.entries.map(({ rank }) => rank));
		if (lane.entries.length === 0) this.lanes = this.lanes.filter((each) => each !== lane);
		return ended;
	}

	settle(lane: Lane, settlement: Settlement): void {
		const { ended, failed, known, awaitedTo, narrowTo, sent, isOnTheWay, leftOut = 0 } = settlement;
		const account = this.account(lane.destination);
		if (awaitedTo !== undefined) {
			lane.state = lane.isAwaiting ? "waiting" : "ready";
			lane.dueAt = awaitedTo;
			lane.isAwaiting = true;
			lane.shown = 1_000;
			return;
		}
		if (lane.isAwaiting) lane.shown = 100;
		lane.isAwaiting = false;
		if (known !== undefined) {
			const key = `${keyOf(lane.destination)} ${lane.person}`;
			const was = this.known.get(key);
			const isFresh = was?.value === known && Math.abs(this.now - was.usedAt) <= knownFreshMs;
			if (!isFresh) this.known.set(key, { value: known, usedAt: this.now });
		}
		account.leftOut += leftOut;
		if (sent) lane.requests += 1;
		if (narrowTo !== undefined) lane.shown = narrowTo;
		if (ended) {
			const { attempts, failingSince = this.now } = lane;
			const entries = this.end(lane, ended.count);
			const { ending } = ended;
			if (ending.kind === "delivered") account.delivered += entries.length;
			if (ending.kind === "discarded") {
				for (const entry of entries) this.giveBack(lane, entry, attempts);
				account.discarded[ending.reason] = (account.discarded[ending.reason] ?? 0) + entries.length;
			}
			if (ending.kind === "dead") {
				for (const entry of entries) {
					const past = entry.past ? entry.past.attempts : 0;
					this.dead.push({
						...lane,
						entry,
						reason: ending.reason,
						status: ending.status,
						attempts: past === undefined ? undefined : past + attempts + 1,
						firstAt: entry.past?.firstAt ?? failingSince,
						lastAt: this.now,
						id: "",
					});
				}
			}
		}
		if (failed) {
			lane.state = "waiting";
			lane.dueAt = failed.dueAt;
			lane.attempts += 1;
			lane.unreadable += failed.unreadable ? 1 : 0;
			lane.failingSince ??= this.now;
		} else {
			lane.state = "ready";
		}
		if (!isOnTheWay) lane.turn = this.turn++;
	}

	expire(destination: Destination, before: number): number {
		let expired = 0;
		for (const lane of this.lanesOf(destination).filter(({ state }) => state !== "leased")) {
			const old = lane.entries.filter(({ stored }) => stored.to < before).length;
			if (old === 0) continue;
			const { shown, isAwaiting, attempts } = lane;
			const ended = this.end(lane, old);
			if (isAwaiting) Object.assign(lane, { shown, isAwaiting });
			for (const entry of ended) {
				expired += 1;
				const { discarded } = this.account(destination);
				if (entry.lapses) {
					this.giveBack(lane, entry, attempts);
					discarded.expired = (discarded.expired ?? 0) + 1;
					continue;
				}
				const unpromised = { status: undefined, attempts: undefined, firstAt: entry.past?.firstAt };
				this.dead.push({ ...lane, entry, reason: "expired", ...unpromised, lastAt: this.now, id: "" });
			}
		}
		return expired;
	}

	/** Returns the tokens that a bucket under a cap grants. A spent window saves up only the next one's first token. */
	advance(destination: Destination, want: number): number {
		const account = this.account(destination);
		const spareMs = limits.windowMs / 120;
		const perMs = limits.cap / (limits.windowMs + spareMs);
		const windowStart = Math.floor(this.now / limits.windowMs) * limits.windowMs;
		const before = account.budget;
		const used = before?.windowStart === windowStart ? before.used : 0;
		const refill = before ? Math.max(0, this.now - before.refilledAt) * perMs : 0;
		const tokens = Math.min(limits.bucket, (before?.tokens ?? limits.bucket) + refill);
		const granted = Math.min(want, Math.floor(tokens), limits.cap - used);
		const refilledAt = Math.max(this.now, before?.refilledAt ?? 0);
		const isSpent = used + granted === limits.cap;
		const emptiedAt = granted > 0 ? refilledAt : (before?.refilledAt ?? refilledAt);
		const nextFirstAt = Math.ceil(windowStart + limits.windowMs + spareMs - 1 / perMs);
		account.budget = {
			used: used + granted,
			tokens: isSpent ? 0 : tokens - granted,
			windowStart,
			refilledAt: isSpent ? Math.max(emptiedAt, nextFirstAt) : refilledAt,
		};
		return granted;
	}

	/** Applies a crash, which loses nothing but the leases. */
	reopen(): void {
		for (const lane of this.lanes) if (lane.state === "leased") lane.state = "ready";
	}

	stats(): Omit<OutboxStats, "destinations"> & { destinations: unknown[] } {
		const statsOf = (destination: Destination) => {
			const { delivered, leftOut, discarded, budget, isKnown } = this.account(destination);
			const lanes = this.lanesOf(destination);
			const dead = this.dead.filter((each) => keyOf(each.destination) === keyOf(destination));
			if (!isKnown && Object.keys(discarded).length === 0) return [];
			return [
				{
					destination,
					...(budget && { budget: { ...budget, tokens: expect.closeTo(budget.tokens) } }),
					owed: lanes.reduce((sum, { entries }) => sum + entries.length, 0),
					lanes: lanes.length,
					oldestAt: lanes.length > 0 ? expect.any(Number) : undefined,
					delivered,
					dead: dead.length,
					leftOut,
					discarded,
				},
			];
		};
		const sorted = [...destinations].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
		const { events, discarded } = this;
		return {
			journal: 0,
			journalAge: 0,
			stuck: 0,
			events,
			discarded,
			forgotten: 0,
			bytes: expect.any(Number),
			destinations: sorted.flatMap(statsOf),
		};
	}
}

// ---------------------------------------------------------------- the commands

export interface Real {
	outbox: Outbox;
	reopen(): Promise<Outbox>;
}

/** Leaves out when lanes are due, as the stores notice the ends of waits and leases at different times. */
const withoutDue = ({ destinations, ...stats }: OutboxStats) => ({
	...stats,
	destinations: destinations.map(({ nextDueAt: _, ...rest }) => rest),
});

async function fannedOut(outbox: Outbox): Promise<void> {
	// Each call is answered between two transactions of the fan-out, so the loop ends.
	while ((await outbox.stats()).journal > 0);
}

/** Compares all dead letters, page by page, and copies their ids and order to the model. */
async function sameDead(model: Model, { outbox }: Real): Promise<void> {
	const items = [];
	let cursor: string | undefined;
	do {
		const page = await outbox.deadLetters({ limit: 3, ...(cursor !== undefined && { cursor }) });
		items.push(...page.items);
		cursor = page.cursor;
	} while (cursor !== undefined);
	const place = (site: string, destination: string, body: string) => `${site}/${destination} ${body}`;
	const expected = new Map(
		model.dead.map((dead) => [place(dead.destination.site, dead.destination.name, dead.entry.body), dead]),
	);
	expect(expected.size).toBe(model.dead.length);
	expect(items).toHaveLength(model.dead.length);
	for (const item of items) {
		const dead = expected.get(place(item.site, item.destination, item.body));
		expect(item, "a dead letter that the model does not have").toMatchObject({
			reason: dead?.reason,
			lastAt: dead?.lastAt,
			...(dead?.attempts !== undefined && { attempts: dead.attempts }),
			...(dead?.firstAt !== undefined && { firstAt: dead.firstAt }),
		});
		expect(item.status).toBe(dead?.status);
		if (dead) Object.assign(dead, { id: item.id, attempts: item.attempts, firstAt: item.firstAt });
	}
	model.dead.sort((a, b) => Number(a.id) - Number(b.id));
}

/** A command after which model and store must have the same statistics. */
function command(name: string, run: (model: Model, real: Real) => Promise<void>): fc.AsyncCommand<Model, Real> {
	return {
		check: () => true,
		async run(model, real) {
			await run(model, real);
			expect(withoutDue(await real.outbox.stats())).toEqual(model.stats());
		},
		toString: () => name,
	};
}

const pick = <Value>(values: Value[], choice: number): Value | undefined => values[choice % Math.max(1, values.length)];
/** Mostly one destination of one site, so that commands affect each other. */
const destination = fc.constantFrom(
	...destinations,
	...Array.from({ length: 6 }, () => ({ site: "shop", name: "crisp" })),
);
const site = fc.constantFrom(...sites, "shop", "shop");

const newEvent = fc.record({
	person: fc.constantFrom(...persons),
	to: fc.constantFrom(["crisp"], names, ["crisp"], ["helpcrunch"], []),
	rank: fc.nat(3),
	exceptions: fc.constantFrom(
		undefined,
		undefined,
		{ crisp: { rank: 0 } },
		{ crisp: { lapses: true, rank: 3 } },
		{ crisp: { earns: true } },
	),
	trust: fc.constantFrom(0, 0, 1, 2),
	ago: fc.constantFrom(0, 50, 100),
	order: fc.constantFrom(undefined, undefined, undefined, "A", "B"),
	isRuled: fc.constantFrom(false, false, true),
	once: fc.uniqueArray(
		fc.record({
			key: fc.constantFrom("order", "open"),
			opens: fc.boolean(),
			ms: fc.constantFrom(50, 100),
			ofPerson: fc.boolean(),
			destination: fc.constantFrom(undefined, undefined, ...names),
		}),
		{ maxLength: 2, selector: ({ key }) => key },
	),
});

const append = fc
	.record({
		site,
		events: fc.array(newEvent, { minLength: 1, maxLength: 5 }),
		crash: fc.nat(7),
	})
	.map(({ site, events, crash }) =>
		command(`append ${site} ${JSON.stringify(events)}${crash === 0 ? " and crash" : ""}`, async (model, real) => {
			const batch = events.map(({ person, to, rank, exceptions, trust, ago, order, isRuled, once }): NewEvent => {
				const id = String(++model.lastBody);
				const purchase = { type: "confirmation", id, data: { orderId: order } };
				const body = order === undefined ? id : JSON.stringify({ event: purchase, receivedAt: model.now });
				const at = Math.max(0, model.now - ago);
				const ordered = { reason: "duplicate_order", at, since: 0, until: at + 400 };
				const orders = (orderId: string, destination?: string): Claim[] => {
					const where = destination ? ` at ${destination}` : "";
					const at = destination === undefined ? {} : { destination };
					const own = { ...ordered, ...at, key: `order${where}\n${orderId}`, ofPerson: true };
					const ofSite = { ...ordered, ...at, key: `trusted order${where}\n${orderId}` };
					return trust === 0
						? [{ ...own, ...(!destination && { isReplaceable: true }) }]
						: [{ ...own, ...(!destination && { replaces: true }) }, ofSite];
				};
				const claims: Claim[] = [
					{ key: `id ${id}`, reason: "duplicate", at, since: 0, until: 1e9 },
					...(order === undefined ? [] : orders(order)),
					...(order !== undefined && isRuled ? orders(order, "crisp") : []),
					...once.map(({ key, opens, ms, ofPerson, destination }) => ({
						key,
						ofPerson,
						...(destination && { destination }),
						reason: key,
						at,
						since: opens ? at : 0,
						until: at + ms,
					})),
				];
				// Both as a string and as UTF-8 bytes.
				return {
					person,
					body: at % 2 ? Buffer.from(body) : body,
					destinations: to,
					rank,
					reserved: trust === 2,
					trusted: trust > 0,
					exceptions,
					claims,
				};
			});
			const from = Date.now();
			const appended = real.outbox.append({ site, events: batch });
			// The crash does not wait for the append, so it may come before the fan-out.
			const reopened = crash === 0 ? real.reopen() : undefined;
			await appended;
			if (reopened) {
				real.outbox = await reopened;
				model.reopen();
			}
			await fannedOut(real.outbox);
			model.append(site, batch, { from, to: Date.now() });
		}),
	);

const appendAgain = fc.record({ site, body: fc.nat(), name: fc.constantFrom(...names) }).map(({ site, body, name }) =>
	command(`append the used id ${body} to ${site}`, async (model, real) => {
		const again = String(1 + (body % Math.max(1, model.lastBody)));
		const claims = [{ key: `id ${again}`, reason: "duplicate", at: model.now, since: 0, until: 1e9 }];
		// In the other site, or if the first event was discarded, this is a new event, so it has a body of its own.
		const event = {
			person: "ada",
			body: `again ${++model.lastBody}`,
			destinations: [name],
			rank: 1,
			reserved: false,
			trusted: false,
		};
		const from = Date.now();
		await real.outbox.append({ site, events: [{ ...event, claims }] });
		await fannedOut(real.outbox);
		model.append(site, [{ ...event, claims }], { from, to: Date.now() });
	}),
);

const skip = destination.map(({ site, name }) =>
	command(`count as skipped ${site}/${name}`, async (model, real) => {
		const { discarded } = model.account({ site, name });
		discarded.not_addressable = (discarded.not_addressable ?? 0) + 2;
		await real.outbox.append({
			site,
			events: [],
			skipped: [{ destination: name, reason: "not_addressable", count: 2 }],
		});
		await fannedOut(real.outbox);
	}),
);

async function takeBoth(
	model: Model,
	{ outbox }: Real,
	request: { destination: Destination; lanes: number; deliveries: number; served: number; reservedOnly: boolean },
): Promise<void> {
	const leaseMs = 100;
	const expected = model.take(request.destination, request.lanes, request.served, request.reservedOnly, leaseMs);
	const { leases, isMore, nextAt } = await outbox.take({ ...request, holding: [], now: model.now, leaseMs });
	expect(
		leases.map(({ lane: _, number: __, ...lease }) => lease),
		"the leases, in their order",
	).toEqual(
		expected.map((lane) => ({
			destination: request.destination,
			person: lane.person,
			known: model.known.get(`${keyOf(request.destination)} ${lane.person}`)?.value,
			attempts: lane.attempts,
			unreadable: lane.unreadable,
			failingSince: lane.failingSince,
			requests: lane.requests,
			...(model.earns(lane) && { earns: true }),
			bodies: lane.entries.slice(0, Math.min(request.deliveries, lane.shown)).map(({ body }) => body),
		})),
	);
	for (const [index, lane] of expected.entries()) {
		const lease = leases[index];
		if (!lease) throw new Error("a lease is missing");
		expect(lease.number, "a lease's number is higher than the lane's last").toBeGreaterThan(lane.lease);
		if (lane.id === undefined) expect(model.laneIds.has(lease.lane), "a lane's id is not used again").toBe(false);
		else expect(lease.lane).toBe(lane.id);
		lane.lease = lease.number;
		lane.id = lease.lane;
		model.laneIds.add(lease.lane);
		model.held.push({ lease, lane });
	}
	const left = model.readyIn(request.destination, request.reservedOnly);
	expect(isMore).toBe(leases.length === request.lanes && left.length > 0);
	const due = model
		.lanesOf(request.destination)
		.filter(({ state }) => state !== "ready")
		.map(({ dueAt }) => dueAt);
	expect(nextAt).toBe(due.length === 0 ? undefined : Math.min(...due));
}

const take = fc
	.record({
		destination,
		lanes: fc.integer({ min: 1, max: 4 }),
		deliveries: fc.constantFrom(1, 2, 100),
		served: fc.constantFrom(0, 8, 9),
		reservedOnly: fc.boolean(),
	})
	.map((request) => command(`take ${JSON.stringify(request)}`, (model, real) => takeBoth(model, real, request)));

type Draft = Omit<Settlement, "lease" | "now" | "failed" | "awaitedTo"> & {
	failed?: { inMs: number; unreadable: boolean };
	awaitMs?: number;
};
const draft: fc.Arbitrary<Draft> = fc.oneof(
	fc.record({
		ended: fc.record({ count: fc.integer({ min: 1, max: 3 }), ending: fc.constant({ kind: "delivered" as const }) }),
		known: fc.constantFrom('{"is":1}', '{"is":2}'),
		sent: fc.constant(true),
	}),
	fc.record({ failed: fc.record({ inMs: fc.constantFrom(0, 50, 700), unreadable: fc.boolean() }) }),
	fc.record({
		ended: fc.record({
			count: fc.constant(1),
			ending: fc.record({
				kind: fc.constant("dead" as const),
				reason: fc.constantFrom("invalid_data", "http_400"),
				status: fc.constantFrom(400, 422),
			}),
		}),
		sent: fc.constant(true),
	}),
	fc.constant<Draft>({ ended: { count: 1, ending: { kind: "discarded", reason: "unknown_person" } } }),
	fc.record({ narrowTo: fc.constantFrom(1, 2), sent: fc.constant(true) }),
	fc.record({ awaitMs: fc.constantFrom(50, 700), isOnTheWay: fc.constant(true) }),
	fc.constant<Draft>({ known: '{"is":3}', sent: true }),
	fc.constant<Draft>({ known: '{"is":4}', sent: true, isOnTheWay: true }),
	fc.constant<Draft>({ ended: { count: 1, ending: { kind: "delivered" } }, sent: true, leftOut: 2 }),
	fc.constant<Draft>({}),
);

async function settleBoth(
	model: Model,
	{ outbox }: Real,
	{ lane, lease }: Model["held"][number],
	{ failed, ended, awaitMs, ...rest }: Draft,
): Promise<void> {
	const settlement: Settlement = { lease, now: model.now, ...rest };
	if (ended) settlement.ended = { ...ended, count: Math.min(ended.count, lease.bodies.length) };
	if (awaitMs !== undefined) settlement.awaitedTo = model.now + awaitMs;
	if (failed) settlement.failed = { dueAt: model.now + failed.inMs, unreadable: failed.unreadable };
	const isHeld = model.lanes.includes(lane) && lane.state === "leased" && lane.lease === lease.number;
	const settled = await outbox.settle(settlement);
	// An expired lease that nobody has taken over may or may not be settled.
	if (!(isHeld && lane.dueAt <= model.now)) expect(settled !== "lost", "whether the lease was still held").toBe(isHeld);
	if (settled === "lost") return;
	model.settle(lane, settlement);
	const left = model.lanes.includes(lane);
	const comesNext = ({ person, trust }: Lane) => person === lane.person && (!left || trust > lane.trust);
	const yields = model.lanesOf(lane.destination).some(comesNext);
	expect(settled, "the state of the lane").toBe(yields ? "yields" : left ? "remains" : "gone");
}

const settle = fc.record({ draft, which: fc.constantFrom(0, 0, 0, 1, 1, 2, 3, 5) }).map(({ draft, which }) =>
	command(`settle the lease ${which} before the last: ${JSON.stringify(draft)}`, async (model, real) => {
		const held = pick(model.held.slice(-6).reverse(), which);
		if (held) await settleBoth(model, real, held, draft);
	}),
);

/** Takes some lanes and settles each, as the dispatcher does. */
const work = fc
	.record({ destination, all: fc.array(draft, { minLength: 1, maxLength: 3 }) })
	.map(({ destination, all }) =>
		command(`work in ${keyOf(destination)}: ${JSON.stringify(all)}`, async (model, real) => {
			const before = model.held.length;
			const { length: lanes } = all;
			await takeBoth(model, real, { destination, lanes, deliveries: 100, served: 0, reservedOnly: false });
			for (const [index, held] of model.held.slice(before).entries())
				await settleBoth(model, real, held, all[index] ?? {});
		}),
	);

const pass = fc.constantFrom(1, 49, 99, 600).map((ms) =>
	command(`let ${ms} ms pass`, async (model) => {
		model.now += ms;
	}),
);

const crash = fc.constant(
	command("crash and open again", async (model, real) => {
		real.outbox = await real.reopen();
		model.reopen();
	}),
);

const selection = fc.record({
	by: fc.constantFrom("all", "ids", "destination", "reason", "people", "since", "before"),
	choice: fc.nat(20),
	remove: fc.boolean(),
});
const deadLetters = selection.map(({ by, choice, remove }) =>
	command(`${remove ? "discard" : "replay"} dead letters by ${by} (${choice})`, async (model, real) => {
		await sameDead(model, real);
		const picked = pick(model.dead, choice);
		const at = picked?.lastAt ?? 0;
		const chosen = {
			all: {},
			ids: { ids: [picked?.id ?? "0"] },
			destination: { destination: picked?.destination.name ?? "crisp" },
			reason: { reason: picked?.reason ?? "expired" },
			people: { people: [picked?.person ?? "nobody"] },
			since: { since: at },
			before: { before: at },
		}[by];
		const matches = model.dead.filter(
			({ id, person, destination: { name }, reason, lastAt }) =>
				by === "all" ||
				(by === "ids" && id === picked?.id) ||
				(by === "destination" && name === picked?.destination.name) ||
				(by === "reason" && reason === picked?.reason) ||
				(by === "people" && person === picked?.person) ||
				(by === "since" && lastAt >= at) ||
				(by === "before" && lastAt < at),
		);
		const from = Date.now();
		expect(await (remove ? real.outbox.discard(chosen) : real.outbox.replay(chosen))).toBe(matches.length);
		const stored = { from, to: Date.now() };
		model.dead = model.dead.filter((dead) => !matches.includes(dead));
		if (remove) return;
		for (const { destination: to, person, entry, attempts, firstAt = 0 } of matches) {
			model.owe(to, person, { ...entry, lapses: false, earns: false, stored, past: { attempts, firstAt } });
		}
	}),
);

const expire = fc.record({ destination, choice: fc.nat(20) }).map(({ destination: target, choice }) =>
	command(`expire in ${keyOf(target)} (${choice})`, async (model, real) => {
		const stored = model.lanesOf(target).flatMap(({ entries }) => entries.map((entry) => entry.stored));
		let before = (pick(stored, choice)?.to ?? 0) + 1;
		// Moves the limit until each entry was certainly stored before or after it.
		for (const { from, to } of [...stored].sort((a, b) => a.to - b.to))
			if (from < before && before <= to) before = to + 1;
		const expired = await real.outbox.expire({ destination: target, before, now: model.now });
		expect(expired).toBe(model.expire(target, before));
		await sameDead(model, real);
	}),
);

const forget = fc.record({ site, person: fc.constantFrom(...persons) }).map(({ site, person }) =>
	command(`forget ${person} in ${site}`, async (model, real) => {
		await sameDead(model, real);
		const theirs = model.lanes.filter((lane) => lane.destination.site === site && lane.person === person);
		const forgotten = await real.outbox.forget({ site, people: [person] });
		for (const { destination, owed, dead, known } of forgotten) {
			const place = { site, name: destination };
			const lanes = theirs.filter((lane) => keyOf(lane.destination) === keyOf(place));
			expect(owed).toBe(lanes.reduce((sum, { entries }) => sum + entries.length, 0));
			const isTheirs = (each: Dead) => keyOf(each.destination) === keyOf(place) && each.person === person;
			expect(dead).toBe(model.dead.filter(isTheirs).length);
			expect(known[0]).toBe(model.known.get(`${keyOf(place)} ${person}`)?.value);
		}
		const places = new Set(theirs.map((lane) => keyOf(lane.destination)));
		expect(forgotten.filter(({ owed }) => owed > 0)).toHaveLength(places.size);
		model.forget(site, person);
		await sameDead(model, real);
	}),
);

const sweep = fc.constantFrom(0, 100, 500).map((ago) =>
	command(`sweep what was last used ${ago} ms ago`, async (model, real) => {
		const before = model.now - ago;
		await real.outbox.sweep({ now: model.now, before });
		for (const [key, { until }] of model.claims) if (until <= model.now) model.claims.delete(key);
		model.dead = model.dead.filter(({ lastAt }) => lastAt >= before);
		for (const [key, { usedAt }] of model.known) if (usedAt < before) model.known.delete(key);
	}),
);

const advance = fc.record({ destination, want: fc.integer({ min: 1, max: 5 }) }).map(({ destination: target, want }) =>
	command(`take ${want} from the budget of ${keyOf(target)}`, async (model, real) => {
		const { granted } = await real.outbox.advance({ destination: target, limits, want, now: model.now });
		expect(granted).toBe(model.advance(target, want));
	}),
);

/** Delivers everything that is owed, which reveals lost and duplicate entries. */
async function drain(model: Model, real: Real): Promise<void> {
	for (const each of destinations) {
		model.now += 100_000;
		while (model.lanesOf(each).length > 0) {
			const before = model.held.length;
			await takeBoth(model, real, { destination: each, lanes: 100, deliveries: 100, served: 0, reservedOnly: false });
			for (const { lease, lane } of model.held.slice(before)) {
				await settleBoth(model, real, { lease, lane }, { ended: { count: 100, ending: { kind: "delivered" } } });
			}
		}
	}
	await sameDead(model, real);
	expect(withoutDue(await real.outbox.stats())).toEqual(model.stats());
}

/** Compares an outbox with the plain model in random sequences of commands. `openFresh` opens an empty store. */
export function modelSuite(openFresh: () => Promise<Real>): void {
	const cleanups: (() => void | Promise<void>)[] = [];
	afterAll(async () => {
		for (const cleanup of cleanups) await cleanup();
	});

	it(
		"behaves like its model in every sequence of commands",
		async () => {
			const often = [append, append, append, take, take, settle, settle, settle, work, work, work, work, pass, pass];
			const commands = fc.commands(
				[...often, appendAgain, skip, pass, crash, deadLetters, deadLetters, expire, sweep, forget, advance],
				{
					maxCommands: 160,
					size: "max",
				},
			);
			await fc.assert(
				fc.asyncProperty(commands, async (chosen) => {
					const model = new Model();
					const real = await openFresh();
					try {
						await fc.asyncModelRun(() => ({ model, real }), chosen);
						await drain(model, real);
					} finally {
						await real.outbox.close();
					}
				}),
				// A slow machine may do fewer runs. A failure is reported with its seed, even if it is not fully shrunk.
				{ numRuns: runs, interruptAfterTimeLimit: runs * 1_000 },
			);
		},
		60_000 + runs * 1_000,
	);

	/** Opens an outbox with one event of Ada's, leased at time 0 for a second. */
	async function leased(): Promise<{ outbox: Outbox; lease: Lease; request: TakeRequest }> {
		const { outbox } = await openFresh();
		cleanups.unshift(() => outbox.close());
		const event = {
			person: "ada",
			body: "1",
			destinations: ["crisp"],
			rank: 1,
			reserved: false,
			trusted: false,
			claims: [],
		};
		await outbox.append({ site: "shop", events: [event] });
		await fannedOut(outbox);
		const request: TakeRequest = {
			destination: { site: "shop", name: "crisp" },
			lanes: 1,
			deliveries: 100,
			served: 0,
			reservedOnly: false,
			holding: [],
			now: 0,
			leaseMs: 1_000,
		};
		const [lease] = (await outbox.take(request)).leases;
		if (!lease) throw new Error("no lane");
		return { outbox, lease, request };
	}

	it("a lane that its worker still holds causes no new take at once, even after its lease has expired", async () => {
		const { outbox, lease, request } = await leased();
		const { leases, nextAt = Number.POSITIVE_INFINITY } = await outbox.take({
			...request,
			now: 1_001,
			holding: [lease.lane],
		});
		expect(leases).toEqual([]);
		expect(nextAt).toBeGreaterThan(1_001);
	});

	it("a lane that failed goes to the end of the turn, as after any other request", async () => {
		const { outbox, lease, request } = await leased();
		const event = {
			person: "bob",
			body: "2",
			destinations: ["crisp"],
			rank: 1,
			reserved: false,
			trusted: false,
			claims: [],
		};
		await outbox.append({ site: "shop", events: [event] });
		await fannedOut(outbox);
		await outbox.settle({ lease, now: 0, failed: { dueAt: 10 } });
		const { leases } = await outbox.take({ ...request, lanes: 2, now: 10 });
		expect(leases.map(({ person }) => person)).toEqual(["bob", "ada"]);
	});

	it("an entry that expires without having been tried is a dead letter without attempts", async () => {
		const { outbox, lease, request } = await leased();
		await outbox.settle({ lease, now: 0 });
		expect(await outbox.expire({ destination: request.destination, before: Date.now() + 1, now: 5 })).toBe(1);
		expect((await outbox.deadLetters({ limit: 1 })).items).toMatchObject([{ reason: "expired", attempts: 0 }]);
	});
}
