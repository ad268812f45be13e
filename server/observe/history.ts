import type { History } from "../../shared/admin.ts";
import type { Notice } from "../delivery/dispatcher.ts";
import { budgetSlotMs, type OutboxStats } from "../outbox/outbox.ts";

const dayMs = 86_400_000;
const slotsKept = dayMs / budgetSlotMs;

/** Numbers of one destination in one slot of time. */
interface Slot {
	delivered: number;
	failed: number;
	requests: number;
	/** Time that the requests took together, ms. */
	ms: number;
	slowestMs: number;
	/** People whose events waited, at the last look. */
	waiting?: number;
}

/** Outcomes of requests that are failures. A person who is not known yet is none. */
const failures: ReadonlySet<string> = new Set(["retry", "wait", "paused", "rejected"]);

/** Remembers a day of deliveries in slots of ten minutes, in this process. All sites of a destination count together. */
export function createHistory({ now }: { now(): number }) {
	const all = new Map<string, Map<number, Slot>>();
	const startedAt = now();
	const startOf = (at: number) => at - (at % budgetSlotMs);

	function slotOf(name: string): Slot {
		const slots = all.get(name) ?? new Map<number, Slot>();
		all.set(name, slots);
		const start = startOf(now());
		const slot = slots.get(start) ?? { delivered: 0, failed: 0, requests: 0, ms: 0, slowestMs: 0 };
		if (!slots.has(start)) {
			slots.set(start, slot);
			const [oldest] = slots.keys();
			if (oldest !== undefined && slots.size > slotsKept) slots.delete(oldest);
		}
		return slot;
	}

	return {
		stepped(name: string, { result, ended }: Pick<Extract<Notice, { kind: "step" }>, "result" | "ended">): void {
			const slot = slotOf(name);
			if (ended?.ending.kind === "delivered") slot.delivered += ended.count;
			const { outcome, ms = 0 } = result;
			if (!outcome) return;
			slot.requests += 1;
			slot.ms += ms;
			slot.slowestMs = Math.max(slot.slowestMs, ms);
			if (failures.has(outcome.kind)) slot.failed += 1;
		},

		/** Notes how many people's events wait at each destination. */
		looked({ destinations }: Pick<OutboxStats, "destinations">): void {
			const waiting = new Map<string, number>();
			for (const { destination, lanes } of destinations)
				waiting.set(destination.name, (waiting.get(destination.name) ?? 0) + lanes);
			for (const [name, people] of waiting) slotOf(name).waiting = people;
		},

		/** Lists the last 24 hours of the named destinations, slot by slot. */
		read(names: readonly string[]): History {
			const to = startOf(now()) + budgetSlotMs;
			const from = to - dayMs;
			const starts = Array.from({ length: slotsKept }, (_, index) => from + index * budgetSlotMs);
			const destinations = names.map((name) => {
				const slots = starts.map((start) => all.get(name)?.get(start));
				const timed = (read: (slot: Slot) => number) =>
					slots.map((slot) => (slot && slot.requests > 0 ? Math.round(read(slot)) : null));
				const series = {
					delivered: slots.map((slot) => slot?.delivered ?? 0),
					failed: slots.map((slot) => slot?.failed ?? 0),
					meanMs: timed(({ ms, requests }) => ms / requests),
					slowestMs: timed(({ slowestMs }) => slowestMs),
					waiting: slots.map((slot) => slot?.waiting ?? null),
				};
				return [name, series];
			});
			return { from, to, stepMs: budgetSlotMs, since: startedAt, destinations: Object.fromEntries(destinations) };
		},
	};
}
