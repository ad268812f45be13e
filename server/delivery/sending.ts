import type { Lease, Settlement } from "../outbox/outbox.ts";
import type { Attempt } from "./attempt.ts";
import type { Purse } from "./budget.ts";
import type { Context } from "./context.ts";
import type { GroupHold } from "./group-hold.ts";
import type { Leased, LeaseWindow } from "./window.ts";

export interface SendingOptions {
	window: LeaseWindow;
	purse: Purse;
	hold: GroupHold;
	/** No request begins once this is aborted. */
	stopping: AbortSignal;
	/** Plans and sends a lane's next request. Never rejects. */
	attempt(lease: Lease): Promise<Attempt>;
	/** Settles a lease. Resolves to whether the settlement was stored. */
	settle(settlement: Settlement): Promise<boolean>;
	/** Called when the window has changed, so that more lanes may be leased. */
	onChange(): void;
}

/** Sends the requests of leased lanes while window, hold and budget allow, or gives the lanes back. */
export function createSending({ now, report }: Context, options: SendingOptions) {
	const { window, purse, hold, stopping, attempt, onChange } = options;

	/** Tells whether stop, hold and budget allow a request. */
	const mayBegin = () =>
		!stopping.aborted && !hold.isChanging() && !hold.isPaused() && hold.until() <= now() && purse.tokens() > 0;

	function begin(): void {
		for (let next = window.next(hold.probing()); next && mayBegin(); next = window.next(hold.probing())) {
			// A lane leased for ordinary tokens may not spend the reserve.
			const isAllowed = next.reservedOnly || !purse.reservedOnly();
			start(next, isAllowed ? send : handBack);
		}
	}

	function goOn(): void {
		begin();
		onChange();
	}

	function start(leased: Leased, work: (leased: Leased) => Promise<void>): void {
		leased.done = work(leased).catch((error) =>
			report({ kind: "fault", message: "the result of a delivery could not be reported", error }),
		);
	}

	async function settle(leased: Leased, settlement: Settlement): Promise<boolean> {
		try {
			return await options.settle(settlement);
		} finally {
			window.remove(leased);
			goOn();
		}
	}

	async function send(leased: Leased): Promise<void> {
		leased.stage = "busy";
		const windowEnd = purse.spend();
		const { settlement, isSent, step } = await attempt(leased.lease);
		if (!isSent) purse.keep(windowEnd);
		leased.stage = "settling";
		const settling = settle(leased, settlement);
		// Requests of other lanes do not wait for the disk.
		goOn();
		const isSettled = await settling;
		const ended = isSettled ? settlement.ended : undefined;
		if (ended?.ending.kind === "dead") {
			const { reason, status } = ended.ending;
			report({ kind: "dead", reason, status });
		}
		const { person } = leased.lease;
		if (step) report({ kind: "step", person, ...step, isSettled, ended, at: settlement.now });
	}

	async function handBack(leased: Leased): Promise<void> {
		leased.stage = "returning";
		await settle(leased, { lease: leased.lease, now: now(), isOnTheWay: true });
	}

	return {
		mayBegin,

		/** Begins as many requests as may begin now. */
		begin,

		/** Gives back lanes whose requests have not begun. */
		giveBack(isMeant: (lease: Lease) => boolean = () => true): void {
			for (const leased of window.all()) if (leased.stage === "ahead" && isMeant(leased.lease)) start(leased, handBack);
		},

		/** Resolves once the leases that left the stage `ahead` are settled. */
		async settled(isMeant: (lease: Lease) => boolean = () => true): Promise<void> {
			await Promise.all(window.all().flatMap(({ lease, done }) => (isMeant(lease) ? [done] : [])));
		},
	};
}
