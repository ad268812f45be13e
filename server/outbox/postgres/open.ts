import { randomUUID } from "node:crypto";
import { StoreOpenError, StoreUnavailableError, writeFailed } from "../errors.ts";
import { unwellMs } from "../limits.ts";
import { createListeners } from "../listeners.ts";
import type { Discarded, Outbox } from "../outbox.ts";
import { createBudgets } from "./budget.ts";
import { aheadBy } from "./clock.ts";
import { codeOf, type Database } from "./connection.ts";
import { createCounters } from "./counters.ts";
import { openDatabase } from "./database.ts";
import { createDeadLetters } from "./dead-letters.ts";
import { createDestinations } from "./destinations.ts";
import { createEnds } from "./ends.ts";
import { createExpiry } from "./expire.ts";
import { createFanOut } from "./fan-out.ts";
import { createFanOutLoop } from "./fan-out-loop.ts";
import { createForget } from "./forget.ts";
import { createGroupCommit } from "./group-commit.ts";
import { createHolds } from "./holds.ts";
import { createJournal } from "./journal.ts";
import { arrangeLeftLanes } from "./lanes.ts";
import { createLeases } from "./leases.ts";
import { createLinks } from "./links.ts";
import { createNotices, noticeFrom } from "./notices.ts";
import { createOwners } from "./owners.ts";
import { createReports } from "./reports.ts";
import { createRoom } from "./room.ts";
import { createExclusively, refusalOf } from "./schema.ts";
import { createSearch } from "./search.ts";
import { createSetAside } from "./set-aside.ts";
import { createSettling } from "./settle.ts";
import type { Shared } from "./shared.ts";
import { createStats } from "./stats.ts";
import { createSweep } from "./sweep.ts";

/** Maximum number of settlements in a transaction. */
const settledTogether = 200;
/** Wait of settlements for those of other open leases: a transaction of several costs little more than one. */
const gathering = { ms: 10, enough: 4 };
/** Codes of disk_full and io_error. After one, `check` rejects for a while, although its own updates may succeed. */
const diskCodes = new Set(["53100", "58030"]);
/** Difference from the database's clock above which a fault is reported, as claims depend on the clock. */
const clockOffMs = 2_000;

/** Opens a database, unless a migration to it is not finished. */
async function openComplete(url: string): Promise<Database> {
	const database = await openDatabase(url);
	const [unfinished] = await database.run("SELECT FROM eventferry.migration WHERE step = '' AND NOT is_finished");
	if (!unfinished) return database;
	await database.end();
	throw new StoreOpenError("a store is being moved to this database: run eventferry migrate again until it is done");
}

/**
 * Opens a store that many processes share: the schema `eventferry` of a PostgreSQL database. Rejects with
 * {@link StoreOpenError} if the package `pg` is missing, the database cannot be used, or its schema is newer. At
 * `maxBytes` in use, `append` rejects until there is room again.
 */
export async function openPostgres(url: string, { maxBytes }: { maxBytes?: number | undefined } = {}): Promise<Outbox> {
	const database = await openComplete(url);
	const self = randomUUID();
	const notice = noticeFrom(self);
	const ready = createListeners();
	const faults = createListeners<string>();
	const discarded = createListeners<Discarded[]>();

	let failedAt = Number.NEGATIVE_INFINITY;
	function noteDiskError(error: unknown): void {
		if (diskCodes.has(codeOf(error) ?? "")) failedAt = performance.now();
	}

	const owners = await createOwners(database);
	const shared: Shared = {
		database,
		destinations: createDestinations(database),
		counters: createCounters(owners.owner),
		now: owners.now,
		notice,
		owner: owners.owner,
	};
	/** Reason why this process may use the store no more: a newer one has changed the schema. */
	let refusal: StoreOpenError | undefined;
	function ensureCurrent(): void {
		if (refusal) throw new StoreUnavailableError(refusal.message);
	}
	const { fanOut: fanOutOnce, isWaiting } = createFanOut(shared);
	const fanOutUnlessOutdated: typeof fanOutOnce = async (now, most) =>
		refusal ? { batches: 0, isBusy: true, discarded: [] } : fanOutOnce(now, most);
	const fanOut = createFanOutLoop(
		{ fanOut: fanOutUnlessOutdated, isWaiting },
		{
			now: owners.now,
			onFault(message, error) {
				noteDiskError(error);
				faults.tell(message);
			},
			onDone(events) {
				ready.tell();
				if (events.length > 0) discarded.tell(events);
			},
		},
	);
	const exclusively = createExclusively(database, { ensureCurrent, onReleased: fanOut.start });
	const room = createRoom(shared, { maxBytes, onGivenWay: faults.tell });
	const journal = createJournal(shared, room, fanOut.start);
	const leases = createLeases(shared);
	const ends = createEnds(shared);
	const settling = createGroupCommit(createSettling(shared, ends), settledTogether, undefined, {
		...gathering,
		mayGrow: (waiting) => leases.open() > waiting,
	});
	const expire = createExpiry(shared, ends);
	const budgets = createBudgets(shared);
	const stats = createStats(shared, room);
	const notices = createNotices(database, self, ready.tell);

	let latestId = 0;
	let beating: NodeJS.Timeout | undefined;
	let isClosing = false;
	let isSkewTold = false;
	/** True until the lanes of older processes were looked after once they are gone. */
	let hadOlder = true;
	async function beat(): Promise<void> {
		const start = Date.now();
		const seen = await owners.beat();
		if (seen.wasDead)
			faults.tell("the database has not heard from this process for too long: requests under way may be sent twice");
		const skew = Math.round(aheadBy({ time: seen.time, start, end: Date.now() }));
		if (Math.abs(skew) > clockOffMs && !isSkewTold)
			faults.tell(`the clock of this machine is ${skew / 1_000} s off the clock of the database: set both by NTP`);
		isSkewTold = Math.abs(skew) > clockOffMs;
		const wasRefused = refusal !== undefined;
		refusal = refusalOf(seen.version);
		if (refusal) return void faults.tell(`nothing is taken in or delivered: ${refusal.message}`);
		if (seen.hasJournal) fanOut.start();
		const arranged = hadOlder ? await arrangeLeftLanes(database) : 0;
		hadOlder = seen.hasOlder || arranged > 0;
		const isNew = seen.areOthersNew || seen.wasDead || seen.latestId !== latestId || arranged > 0;
		if (isNew || wasRefused || leases.mayHaveLost()) ready.tell();
		latestId = seen.latestId;
	}
	function scheduleBeat(): void {
		beating = setTimeout(async () => {
			await beat().catch((error) => faults.tell(`the database cannot be reached: ${error.message}`));
			if (!isClosing) scheduleBeat();
		}, owners.beatMs);
	}
	const setAside = createSetAside(shared, exclusively, fanOut.start);
	await setAside.retrySetAside({});
	scheduleBeat();
	fanOut.start();

	return {
		now: owners.now,
		async append(batch) {
			ensureCurrent();
			await journal.append(batch).catch((error) => {
				noteDiskError(error);
				throw error;
			});
		},
		take: async (request) =>
			refusal ? { leases: [], hold: request.hold, isMore: false, nextAt: undefined } : leases.take(request),
		async settle(settlement) {
			const settled = await settling.ask(settlement);
			leases.closed(settlement.lease, settlement.failed?.dueAt ?? settlement.postponedTo);
			return settled;
		},
		...createHolds(shared),
		advance: budgets.advance,
		budgetUse: budgets.budgetUse,
		async expire(request) {
			const expired = await expire(request);
			// A person whose last trusted delivery has expired may have another lane, which is ready now.
			if (expired > 0) ready.tell();
			return expired;
		},
		receive: createReports(shared, room, exclusively),
		...createLinks(shared, room),
		...createDeadLetters(shared, exclusively),
		...setAside,
		forget: createForget(shared, exclusively, leases.removed),
		...createSearch(shared),
		async stats() {
			return { ...(await stats()), ...(refusal && { isOutdated: true }) };
		},
		sweep: createSweep(shared, budgets),
		isHeld: leases.isHeld,
		isShared: true,
		onReady: ready.add,
		onFault: faults.add,
		onDiscarded: discarded.add,
		async check() {
			if (performance.now() - failedAt < unwellMs) throw new StoreUnavailableError(writeFailed);
			await room.ensureRoom(0, true);
			await beat();
			ensureCurrent();
			return { isFull: (await room.use())?.isFull ?? false };
		},
		async close() {
			if (isClosing) return;
			isClosing = true;
			clearTimeout(beating);
			await Promise.all([journal.done(), settling.done(), fanOut.stop()]);
			// If the database is down, others take this process for dead later.
			await leases
				.leave()
				.then(owners.leave)
				.then(() => database.run(`SELECT ${notice}`))
				.catch(() => {});
			await Promise.all([notices.close(), database.end()]);
		},
	};
}
