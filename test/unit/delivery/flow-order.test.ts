import fc from "fast-check";
import { expect, it } from "vitest";
import { createPurse } from "../../../server/delivery/budget.ts";
import { startFlow } from "../../../server/delivery/flow.ts";
import type { Settlement, TakeRequest } from "../../../server/outbox/outbox.ts";
import { contextOf, createLanes, delivered, running } from "./lanes.ts";

/** Lane of each event to append. */
const appends = fc.array(fc.nat(11), { maxLength: 25 });
/** Number of tokens that the budget grants at each call. */
const grants = fc.infiniteStream(fc.nat(4));
/** Result of each request: true if it delivers. */
const deliveries = fc.infiniteStream(fc.boolean());

/** A store whose operations happen when the scheduler decides, in order unless the store is shared. */
function createStore(scheduler: fc.Scheduler, isShared: boolean, grant: () => { granted: number; nextAt: number }) {
	const lanes = createLanes();
	const happen = (label: string) => scheduler.schedule(Promise.resolve(), label);
	let last: Promise<unknown> = Promise.resolve();
	async function inOrder<Value>(label: string, work: () => Value): Promise<Value> {
		const before = last;
		const { promise, resolve } = Promise.withResolvers<void>();
		last = promise;
		await before;
		await happen(label);
		resolve();
		return work();
	}
	async function inAnyOrder<Value>(label: string, work: () => Value): Promise<Value> {
		await happen(label);
		const value = work();
		await happen(`answer to ${label}`);
		return value;
	}
	const operation = isShared ? inAnyOrder : inOrder;
	return {
		isShared,
		owed: lanes.owed,
		async append(lane: number): Promise<void> {
			await happen("append");
			lanes.add(lane);
			await happen("news of the append");
			lanes.tell();
		},
		onReady: lanes.onReady,
		take: (request: TakeRequest) => operation("take", () => lanes.take(request)),
		settle: (settlement: Settlement) => operation("settle", () => lanes.settle(settlement)),
		advance: () => operation("advance", () => ({ ...grant(), reservedOnly: false, until: Number.POSITIVE_INFINITY })),
	};
}

it.each([false, true])("the flow delivers all events in every interleaving of operations (shared: %s)", (isShared) => {
	const property = fc.asyncProperty(
		fc.scheduler(),
		appends,
		grants,
		deliveries,
		async (scheduler, events, tokens, results) => {
			let [now, settling] = [0, 0];
			/** Times at which the requests under way began. */
			const begun: number[] = [];
			const grant = () => ({ granted: tokens.next().value, nextAt: now + 100 });
			const { settle, append, ...store } = createStore(scheduler, isShared, grant);
			const outbox = {
				...store,
				settle: (settlement: Settlement) =>
					settle(settlement).finally(() => {
						settling -= 1;
					}),
			};
			const context = contextOf({ outbox, now: () => now });
			startFlow(context, {
				purse: createPurse(context),
				hold: running,
				endPause: async () => {},
				startTimer(ring, ms) {
					let isCancelled = false;
					const at = now + ms;
					// The check that runs once a minute is left out: the flow must not depend on it to find an event.
					if (ms < 1_000)
						void scheduler.schedule(Promise.resolve(), "timer").then(() => {
							if (isCancelled) return;
							now = Math.max(now, at);
							ring();
						});
					return () => {
						isCancelled = true;
					};
				},
				async attempt(lease) {
					const at = now;
					begun.push(at);
					const inSlots = begun.filter((each) => now < each + 1_000).length;
					expect(inSlots).toBeLessThanOrEqual(4);
					expect(inSlots + settling).toBeLessThanOrEqual(8);
					await scheduler.schedule(Promise.resolve(), "attempt");
					begun.splice(begun.indexOf(at), 1);
					settling += 1;
					if (results.next().value) return delivered(lease, now);
					return { settlement: { lease, now, failed: { dueAt: now + 50 } }, isSent: true };
				},
			});
			for (const lane of events) void append(lane);
			await scheduler.waitIdle();
			expect(store.owed()).toBe(0);
		},
	);
	return fc.assert(property, { numRuns: 300 });
});
