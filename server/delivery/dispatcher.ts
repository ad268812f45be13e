import { setTimeout as delay } from "node:timers/promises";
import { parseJson } from "../http/exact-json.ts";
import type { BudgetLimits, Destination, Ending, Lease, Outbox, Settlement } from "../outbox/outbox.ts";
import type { Admit, Known, Provider } from "../providers/provider.ts";
import type { StoredEvent } from "../stored-event.ts";
import { createAdmit } from "./admit.ts";
import { createPurse } from "./budget.ts";
import { createGroupHold } from "./group-hold.ts";
import type { DestinationState } from "./hold.ts";
import { deliveriesPerLease, learntAliases, type Result, settlementOf, tellHold } from "./settlement.ts";

export interface DispatcherOptions {
	destination: Destination;
	provider: Provider;
	outbox: Outbox;
	limits: BudgetLimits;
	now(): number;
	/** 0 ≤ n < 1, for jitter. */
	random(): number;
	/** Told of what an operator wants to know; logs and metrics hang off it. */
	report(notice: Notice): void;
}

export type Notice =
	/** The destination is held, or runs again. */
	| { kind: "state"; state: DestinationState }
	/** A lane's next step is done: what was sent for its leading events, if anything, and, if that was settled, which of them ended. */
	| {
			kind: "step";
			person: string;
			events: StoredEvent[];
			result: Result;
			isSettled: boolean;
			ended: Settlement["ended"];
			at: number;
	  }
	/** A delivery became a dead letter. */
	| { kind: "dead"; reason: string; status?: number | undefined }
	/** A lease had ended before it was settled: it ran out, so that what it sent may be sent again, or its person was forgotten. */
	| { kind: "lost" }
	/** A fault of our own: a store that cannot be written, a plan that throws. */
	| { kind: "fault"; message: string; error: unknown };

export interface Dispatcher {
	state(): DestinationState;
	/** Requests sent since the start, creates, lookups and failures too. */
	requests(): number;
	/** Resolves once no request for these people, by their keys, is under way. */
	quiet(people: readonly string[]): Promise<void>;
	/** Lets requests pass that are no delivery. */
	admit: Admit;
	/** Takes no more leases; resolves once what is in flight has settled, or has been aborted after `graceMs`. */
	stop(graceMs: number): Promise<void>;
}

/** Requests of one destination under way at a time, each of another lane. */
const concurrency = 4;
/** Those under way and those whose settling is not on disk yet, together: what a crash repeats at most. */
const unsettledMost = 2 * concurrency;
/** Lanes leased before their requests can be begun, so that none waits for the store; where others deliver too, none. */
const aheadMost = 4;
/** Longer than a request with its time limit takes. */
const leaseMs = 60_000;
/** How soon a store that could not be reached is tried again. */
const storeRetryMs = 1_000;
/** Nothing sleeps longer than this without looking again. */
const longestSleepMs = 60_000;

/**
 * Delivers one site's events to one destination: takes leases, has the provider plan and send each
 * lane's next request, and settles by the table in ARCHITECTURE.md. Starts at once.
 */
export function startDispatcher({
	destination,
	provider,
	outbox,
	limits,
	now,
	random,
	report,
}: DispatcherOptions): Dispatcher {
	const purse = createPurse(outbox, destination, limits, now);
	/** What is leased and not settled, by lane. */
	const inFlight = new Map<number, { person: string; working: Promise<void> }>();
	/** Those of them whose requests are not begun yet, in their turn; each is begun, or else given back. */
	const ahead: { lease: Lease; reservedOnly: boolean; decide(isBegun: boolean): void }[] = [];
	/** How many are begun, and not handed to the store to be settled; and how many are, and not settled yet. */
	let busy = 0;
	let settling = 0;
	const aborting = new AbortController();
	const stopping = new AbortController();
	const hold = createGroupHold({
		outbox,
		destination,
		allowance: provider.allowance,
		now,
		retryMs: storeRetryMs,
		signal: aborting.signal,
		onState: (state) => report({ kind: "state", state }),
		onFault: (error) => fault("what holds the destination could not be stored", error),
	});
	let requests = 0;
	let served = 0;

	let woken = false;
	let wakeUp = () => {};
	function wake(): void {
		woken = true;
		wakeUp();
	}
	/** Resolves at `until` (ms since the epoch), or as soon as something has happened since the last call. */
	async function sleep(until: number): Promise<void> {
		if (!woken) {
			const ms = Math.min(Math.max(until - now(), 0), longestSleepMs);
			await new Promise<void>((done) => {
				const timer = setTimeout(done, ms);
				wakeUp = () => {
					clearTimeout(timer);
					done();
				};
			});
		}
		woken = false;
	}

	/** Plans and sends the next request of a lane. */
	async function request(events: readonly [StoredEvent, ...StoredEvent[]], known: Known): Promise<Result> {
		const plan = provider.plan(events, known, now());
		if (plan.kind !== "send") return { plan };
		const isProbe = hold.probing();
		if (isProbe && !(await hold.probe())) return { plan };
		requests += 1;
		const startedAt = now();
		const outcome = await provider.send(plan.request, aborting.signal);
		return { plan, isProbe, outcome, ms: now() - startedAt };
	}

	const fault = (message: string, error: unknown) => report({ kind: "fault", message, error });

	/** Tells what an outcome says of the destination, whoever it was for. */
	async function tell({ outcome, isProbe = false }: Result, lane: number, at: number): Promise<void> {
		if (outcome) await hold.tell((each) => tellHold(each, outcome, lane, at), isProbe);
	}

	/** Settles however long the store takes to come back: the request is sent, and must not be sent again. Resolves to whether it did. */
	async function settle(settlement: Settlement): Promise<boolean> {
		for (;;) {
			try {
				const isSettled = await outbox.settle(settlement);
				if (!isSettled) report({ kind: "lost" });
				return isSettled;
			} catch (error) {
				fault("a delivery could not be settled", error);
				if (aborting.signal.aborted) return false;
				await delay(storeRetryMs, undefined, { signal: aborting.signal }).catch(() => {});
			}
		}
	}

	/**
	 * Settles, and lets the next request begin meanwhile, as another lane's need not wait for the disk. What is taken
	 * in the same go can be the same commit.
	 */
	async function settleAndGoOn(settlement: Settlement): Promise<boolean> {
		busy -= 1;
		settling += 1;
		const done = settle(settlement);
		beginSome();
		wake();
		try {
			return await done;
		} finally {
			settling -= 1;
			beginSome();
		}
	}

	async function work(lease: Lease): Promise<void> {
		const windowEnd = purse.spend(1);
		busy += 1;
		let isHandedOver = false;
		const handOver = (settlement: Settlement): Promise<boolean> => {
			if (isHandedOver) return settle(settlement);
			isHandedOver = true;
			return settleAndGoOn(settlement);
		};
		try {
			const [first, ...rest] = lease.bodies.map((body) => parseJson(body) as StoredEvent);
			if (!first || !outbox.isHeld(lease)) {
				purse.keep(windowEnd);
				return void (await handOver({ lease, now: now() }));
			}
			const known = lease.known === undefined ? {} : (parseJson(lease.known) as Known);
			const result = await request([first, ...rest], known);
			if (!result.outcome) purse.keep(windowEnd);
			const at = now();
			// A request that was cut off by the stop says nothing of the destination.
			const isCutOff = aborting.signal.aborted && result.outcome?.kind === "retry";
			if (!isCutOff) await tell(result, lease.lane, at);
			const settlement: Settlement = isCutOff ? { lease, now: at } : settlementOf(lease, result, at, random);
			const aliases = learntAliases(provider, known, result.outcome);
			const isSettled = await handOver(aliases.length > 0 ? { ...settlement, aliases } : settlement);
			const ended = isSettled ? settlement.ended : undefined;
			if (ended?.ending.kind === "dead") {
				const { reason, status } = ended.ending;
				report({ kind: "dead", reason, status });
			}
			report({ kind: "step", person: lease.person, events: [first, ...rest], result, isSettled, ended, at });
		} catch (error) {
			// Not its message: what could not be parsed or planned may be quoted in it.
			fault("a delivery could not be planned", error instanceof Error ? error.name : typeof error);
			const ending: Ending = { kind: "dead", reason: "internal_error" };
			await handOver({ lease, now: now(), ended: { count: 1, ending } });
		}
	}

	const mayBegin = () =>
		!stopping.signal.aborted &&
		!hold.isChanging() &&
		hold.until() <= now() &&
		busy < (hold.probing() ? 1 : concurrency) &&
		busy + settling < unsettledMost &&
		purse.tokens() > 0;

	/** Begins the requests of what is leased, as far as hold, budget and concurrency allow. */
	function beginSome(): void {
		while (mayBegin()) {
			const next = ahead.shift();
			if (!next) return;
			// It was leased for tokens that were not the reserve's.
			next.decide(next.reservedOnly || !purse.reservedOnly());
		}
	}

	/** Gives back what is leased and may not be sent for now. */
	function giveBack(which: (lease: Lease) => boolean = () => true): void {
		for (const each of ahead.splice(0)) {
			if (which(each.lease)) each.decide(false);
			else ahead.push(each);
		}
	}

	function receive(lease: Lease, reservedOnly: boolean): void {
		const { lane, person } = lease;
		const decided = new Promise<void>((done) => {
			const decide = (isBegun: boolean) => {
				const worked = isBegun ? work(lease) : settle({ lease, now: now(), isOnTheWay: true });
				done(worked.then(() => {}));
			};
			ahead.push({ lease, reservedOnly, decide });
		});
		const working = decided.finally(() => {
			// It may have been taken again as soon as it was settled.
			if (inFlight.get(lane)?.working === working) inFlight.delete(lane);
			wake();
		});
		inFlight.set(lane, { person, working });
	}

	/** Leases what budget and concurrency allow; resolves to when to look again if nothing happens before. */
	async function takeSome(): Promise<number> {
		await hold.settled();
		const most = hold.probing() ? 1 : concurrency + (outbox.isShared ? 0 : aheadMost);
		if (busy >= most) return Number.POSITIVE_INFINITY;
		try {
			const refill = await purse.fill();
			if (refill !== undefined) {
				giveBack();
				return refill;
			}
			// The window they were for has ended while the store gave them: ask for the next one's.
			if (purse.tokens() === 0) return now();
			beginSome();
			const room = outbox.isShared ? unsettledMost - busy - settling : Number.POSITIVE_INFINITY;
			const lanes = Math.min(most - busy, room, purse.tokens()) - ahead.length;
			// Several at once rather than one by one.
			if (lanes <= 0 || ahead.length > aheadMost / 2) return Number.POSITIVE_INFINITY;
			const known = hold.stored();
			const reservedOnly = purse.reservedOnly();
			const {
				leases,
				nextAt = Number.POSITIVE_INFINITY,
				hold: found,
			} = await outbox.take({
				destination,
				lanes,
				deliveries: deliveriesPerLease,
				served,
				reservedOnly,
				hold: known,
				holding: [...inFlight.keys()],
				now: now(),
				leaseMs,
			});
			if (found !== known) {
				hold.seen(known, found);
				return now();
			}
			served += leases.length;
			for (const lease of leases) receive(lease, reservedOnly);
			beginSome();
			// With all it asked for taken, and room for more, there is more to ask for.
			return leases.length > 0 && busy < concurrency && purse.tokens() === 0 ? now() : nextAt;
		} catch (error) {
			fault("no lanes could be taken", error);
			return now() + storeRetryMs;
		}
	}

	async function run(): Promise<void> {
		while (!stopping.signal.aborted) {
			const until = hold.until();
			if (until > now()) giveBack();
			await sleep(until > now() ? until : await takeSome());
		}
		giveBack();
	}

	const stopListening = outbox.onReady(wake);
	const running = run();
	return {
		state: hold.state,
		requests: () => requests,
		async quiet(people) {
			giveBack(({ person }) => people.includes(person));
			const theirs = [...inFlight.values()].filter(({ person }) => people.includes(person));
			await Promise.all(theirs.map(({ working }) => working));
		},
		admit: createAdmit({ purse, state: hold.state, now, signal: aborting.signal }),
		async stop(graceMs) {
			stopping.abort();
			stopListening();
			wake();
			const grace = setTimeout(() => aborting.abort(), graceMs);
			await running;
			await Promise.all([...inFlight.values()].map(({ working }) => working));
			clearTimeout(grace);
		},
	};
}
