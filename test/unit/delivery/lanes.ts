import type { Attempt } from "../../../server/delivery/attempt.ts";
import type { Context, Notice } from "../../../server/delivery/context.ts";
import type { GroupHold } from "../../../server/delivery/group-hold.ts";
import type { Lease, Settled, Settlement, Taken, TakeRequest } from "../../../server/outbox/lease.ts";
import type { Outbox } from "../../../server/outbox/outbox.ts";
import type { Provider } from "../../../server/providers/provider.ts";

export const destination = { site: "site", name: "crisp" };
/** A budget that never runs out by itself. */
const limits = { cap: 1_000, reserve: 0, bucket: 1_000, windowMs: 60_000, windowOffsetMs: 0 };

interface Lane {
	owed: number;
	lease: number | undefined;
	dueAt: number;
}

/** The lanes of a destination, in memory. */
export function createLanes() {
	const lanes = new Map<number, Lane>();
	const listeners = new Set<() => void>();
	let number = 0;
	return {
		owed: () => [...lanes.values()].reduce((sum, { owed }) => sum + owed, 0),
		add(lane: number): void {
			const { owed = 0, ...rest } = lanes.get(lane) ?? { lease: undefined, dueAt: 0 };
			lanes.set(lane, { ...rest, owed: owed + 1 });
		},
		tell(): void {
			for (const listener of listeners) listener();
		},
		onReady(listener: () => void) {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},
		take({ lanes: most, now, hold }: TakeRequest): Taken {
			const owing = [...lanes].filter(([, { owed, lease }]) => owed > 0 && lease === undefined);
			const allReady = owing.filter(([, { dueAt }]) => dueAt <= now);
			const ready = allReady.slice(0, most);
			const waiting = owing.flatMap(([, { dueAt }]) => (dueAt > now ? [dueAt] : []));
			const leases = ready.map(([lane, state]): Lease => {
				state.lease = ++number;
				const tried = { attempts: 0, unreadable: 0, failingSince: undefined, requests: 0 };
				const about = { destination, lane, number, person: `person ${lane}`, known: undefined };
				return { ...about, ...tried, bodies: ["{}"] };
			});
			const isMore = allReady.length > ready.length;
			return { leases, isMore, hold, nextAt: waiting.length > 0 ? Math.min(...waiting) : undefined };
		},
		settle({ lease: { lane, number }, ended, failed }: Settlement): Settled {
			const state = lanes.get(lane);
			if (state?.lease !== number) return "lost";
			const owed = state.owed - (ended?.count ?? 0);
			lanes.set(lane, { owed, lease: undefined, dueAt: failed?.dueAt ?? 0 });
			return owed > 0 ? "remains" : "gone";
		},
	};
}

/** An attempt that delivered the first event of a lease. */
export const delivered = (lease: Lease, now: number): Attempt => ({
	settlement: { lease, now, ended: { count: 1, ending: { kind: "delivered" } } },
	isSent: true,
});
/** The hold of a running destination. */
export const running: GroupHold = {
	state: () => ({ kind: "running" }),
	settled: async () => {},
	until: () => 0,
	isChanging: () => false,
	probing: () => false,
	isPaused: () => false,
	isSuspect: () => false,
	probe: async () => true,
	stored: () => undefined,
	seen: () => {},
	tell: async () => {},
	readWhileWaiting: async (until) => until,
	order: async () => true,
};

/** Fails the test if the notice is a fault. */
function failing(notice: Notice): void {
	if (notice.kind === "fault") throw new Error(notice.message, { cause: notice.error });
}

interface Parts extends Partial<Omit<Context, "outbox" | "provider">> {
	outbox?: Partial<Outbox>;
	provider?: Partial<Provider>;
}
/** The context of a part that is tested by itself, with the operations of store and provider that the part uses. */
export const contextOf = ({ outbox, provider, ...parts }: Parts): Context => ({
	destination,
	limits,
	now: () => 0,
	random: () => 0,
	notify: failing,
	signal: new AbortController().signal,
	retryMs: 1,
	...parts,
	outbox: outbox as Outbox,
	provider: (provider ?? {}) as Provider,
});
