import type { Lease, Settlement } from "../outbox/outbox.ts";
import type { Attempt } from "./attempt.ts";
import type { Purse } from "./budget.ts";
import type { Context } from "./context.ts";
import type { GroupHold } from "./group-hold.ts";
import type { Leased } from "./leased.ts";
import type { OpenLeases } from "./open-leases.ts";

/** Shortest wait of a lane that has failed before while too many others are tried again, ms; the longest is twice that. */
const postponedMs = 5_000;

export interface SendingOptions {
	openLeases: OpenLeases;
	purse: Purse;
	hold: GroupHold;
	/** No request begins once this is aborted. */
	stopping: AbortSignal;
	/** Plans and sends a lane's next request. Never rejects. */
	attempt(lease: Lease): Promise<Attempt>;
	/** Settles a lease. Resolves to whether the settlement was stored. */
	settle(settlement: Settlement): Promise<boolean>;
	/** Called when requests or leases have ended, so that more lanes may be leased. */
	onChange(): void;
}

/** Sends the requests of leased lanes while open leases, hold and budget allow, or gives the lanes back. */
export function createSending({ now, random, notify }: Context, options: SendingOptions) {
	const { openLeases, purse, hold, stopping, attempt, onChange } = options;

	/** Tells whether the hold, the budget and the stop allow a request. */
	const mayBegin = () =>
		!stopping.aborted && !hold.isChanging() && !hold.isPaused() && hold.until() <= now() && purse.tokens() > 0;

	function begin(): void {
		for (let next = openLeases.next(hold.probing()); next && mayBegin(); next = openLeases.next(hold.probing())) {
			// A lane leased for ordinary tokens may not spend the reserve.
			const isAllowed = next.reservedOnly || !purse.reservedOnly();
			const mayTry = openLeases.mayTry(next.lease);
			start(next, isAllowed ? (mayTry ? send : postpone) : handBack);
		}
	}

	function goOn(): void {
		begin();
		onChange();
	}

	function start(leased: Leased, work: (leased: Leased) => Promise<void>): void {
		leased.done = work(leased).catch((error) =>
			notify({ kind: "fault", message: "the result of a delivery could not be reported", error }),
		);
	}

	async function settle(leased: Leased, settlement: Settlement): Promise<boolean> {
		try {
			return await options.settle(settlement);
		} finally {
			openLeases.remove(leased);
			goOn();
		}
	}

	async function send(leased: Leased): Promise<void> {
		openLeases.begin(leased);
		const windowEnd = purse.spend();
		const { settlement, isSent, step } = await attempt(leased.lease);
		if (!isSent) purse.putBack(windowEnd);
		leased.stage = "settling";
		const settling = settle(leased, settlement);
		// Requests of other lanes do not wait for the disk.
		goOn();
		const isSettled = await settling;
		const ended = isSettled ? settlement.ended : undefined;
		if (ended?.ending.kind === "dead") {
			const { reason, status } = ended.ending;
			notify({ kind: "dead", reason, status });
		}
		const { person } = leased.lease;
		if (step) notify({ kind: "step", person, ...step, isSettled, ended, at: settlement.now });
	}

	async function handBack(leased: Leased): Promise<void> {
		leased.stage = "returning";
		await settle(leased, { lease: leased.lease, now: now(), isOnTheWay: true });
	}

	async function postpone(leased: Leased): Promise<void> {
		leased.stage = "returning";
		await settle(leased, { lease: leased.lease, now: now(), postponedTo: now() + postponedMs * (1 + random()) });
	}

	return {
		mayBegin,

		/** Begins as many requests as may begin now. */
		begin,

		/** Gives back the chosen lanes whose requests have not begun. */
		giveBack(isChosen: (lease: Lease) => boolean = () => true): void {
			for (const leased of openLeases.all())
				if (leased.stage === "ahead" && isChosen(leased.lease)) start(leased, handBack);
		},

		/** Resolves once the chosen leases that have left the stage `ahead` are settled. */
		async settled(isChosen: (lease: Lease) => boolean = () => true): Promise<void> {
			await Promise.all(openLeases.all().flatMap(({ lease, done }) => (isChosen(lease) ? [done] : [])));
		},
	};
}
