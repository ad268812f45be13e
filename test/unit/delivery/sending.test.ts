import { expect, it } from "vitest";
import type { Attempt } from "../../../server/delivery/attempt.ts";
import { createOpenLeases } from "../../../server/delivery/open-leases.ts";
import { createSending } from "../../../server/delivery/sending.ts";
import type { Settlement } from "../../../server/outbox/outbox.ts";
import { contextOf, createLanes, delivered, running } from "./lanes.ts";

/** Begins one lane that was leased for ordinary tokens. Resolves to its settlements and the remaining tokens. */
async function send({ reservedOnly = false, isSent = true }): Promise<{ settlements: Settlement[]; tokens: number }> {
	const openLeases = createOpenLeases({ isShared: false, now: () => 0 });
	const lanes = createLanes();
	lanes.add(1);
	const [lease] = lanes.take({ lanes: 1, now: 0 } as Parameters<typeof lanes.take>[0]).leases;
	if (lease) openLeases.add(lease, false);
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

it("a lane leased for ordinary tokens is given back once only the reserve is left", async () => {
	const { settlements, tokens } = await send({ reservedOnly: true });
	expect(settlements).toMatchObject([{ isOnTheWay: true }]);
	expect(settlements[0]?.ended).toBeUndefined();
	expect(tokens).toBe(3);
});
