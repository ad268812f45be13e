import { expect, it } from "vitest";
import type { Attempt } from "../../../server/delivery/attempt.ts";
import { createOpenLeases } from "../../../server/delivery/open-leases.ts";
import { createSending } from "../../../server/delivery/sending.ts";
import type { Settlement } from "../../../server/outbox/outbox.ts";
import { contextOf, createLanes, delivered, running } from "./lanes.ts";

/** Begins one lane that was leased for ordinary tokens, beside slow requests of others. Resolves to its settlements and the remaining tokens. */
async function send({ reservedOnly = false, isSent = true, attempts = 0, retried = 0 }) {
	let now = 0;
	const openLeases = createOpenLeases({ isShared: false, now: () => now });
	const lanes = createLanes();
	lanes.add(1);
	const [lease] = lanes.take({ lanes: 1, now: 0 } as Parameters<typeof lanes.take>[0]).leases;
	if (!lease) throw new Error("no lane is ready");
	for (let n = 0; n < retried; n += 1) openLeases.add({ ...lease, attempts: 1 }, false);
	openLeases.all().forEach(openLeases.begin);
	// These requests are slow by now.
	now = 1_000;
	openLeases.add({ ...lease, attempts }, false);
	const settlements: Settlement[] = [];
	let tokens = 3;
	const sending = createSending(contextOf({}), {
		openLeases,
		purse: {
			fill: async () => undefined,
			tokens: () => tokens,
			reservedOnly: () => reservedOnly,
			spend() {
				tokens -= 1;
				return 0;
			},
			putBack() {
				tokens += 1;
			},
		},
		hold: running,
		stopping: new AbortController().signal,
		attempt: async (each): Promise<Attempt> => ({ ...delivered(each, 0), isSent }),
		async settle(settlement) {
			settlements.push(settlement);
			return true;
		},
		onChange: () => {},
	});
	sending.begin();
	await sending.settled();
	return { settlements, tokens };
}

it("a request that is sent costs a token", async () => {
	expect(await send({})).toMatchObject({ settlements: [{ ended: { count: 1 } }], tokens: 2 });
});

it("a lane with nothing to send costs no token", async () => {
	expect(await send({ isSent: false })).toMatchObject({ settlements: [{ ended: { count: 1 } }], tokens: 3 });
});

it("a lane that has failed before waits while many of those are being tried", async () => {
	const [isTried, isPostponed] = [{ ended: { count: 1 } }, { postponedTo: 5_000 }];
	expect(await send({ attempts: 1, retried: 15 })).toMatchObject({ settlements: [isTried] });
	expect(await send({ attempts: 1, retried: 16 })).toMatchObject({ settlements: [isPostponed], tokens: 3 });
	expect(await send({ attempts: 0, retried: 16 })).toMatchObject({ settlements: [isTried] });
});

it("a lane leased for ordinary tokens is given back once only the reserve is left", async () => {
	const { settlements, tokens } = await send({ reservedOnly: true });
	expect(settlements).toMatchObject([{ isOnTheWay: true }]);
	expect(settlements[0]?.ended).toBeUndefined();
	expect(tokens).toBe(3);
});
