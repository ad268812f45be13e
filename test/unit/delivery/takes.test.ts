import { expect, it } from "vitest";
import { createPurse } from "../../../server/delivery/budget.ts";
import type { GroupHold } from "../../../server/delivery/group-hold.ts";
import { createOpenLeases } from "../../../server/delivery/open-leases.ts";
import { createTakes } from "../../../server/delivery/takes.ts";
import type { Outbox } from "../../../server/outbox/outbox.ts";
import { contextOf, createLanes, running } from "./lanes.ts";

it("a take refused because of an unknown hold learns of the hold, and is due again at once", async () => {
	const lanes = createLanes();
	lanes.add(1);
	const stored = "held by another";
	let known: string | undefined;
	const openLeases = createOpenLeases({ isShared: true, now: () => 0 });
	const outbox: Partial<Outbox> = {
		take: async (request) =>
			request.hold === stored ? lanes.take(request) : { leases: [], isMore: false, hold: stored, nextAt: undefined },
	};
	const hold: GroupHold = {
		...running,
		stored: () => known,
		seen(_, found) {
			known = found;
		},
	};
	const context = contextOf({ outbox });
	const takes = createTakes(context, openLeases, createPurse(context), hold);
	await takes.take(4);
	expect([known, takes.due(0) > 0, openLeases.all()]).toEqual([stored, true, []]);
	await takes.take(4);
	expect([takes.idleUntil(0), openLeases.all()]).toMatchObject([60_000, [{ lease: { lane: 1 } }]]);
});

it("a take that becomes due while the loop looks is not missed", async () => {
	let now = 0;
	const context = contextOf({ now: () => now++ });
	const takes = createTakes(
		context,
		createOpenLeases({ isShared: false, now: () => now }),
		createPurse(context),
		running,
	);
	await takes.take(1).catch(() => {});
	takes.readyFrom(5);
	expect([takes.due(4), takes.idleUntil(4)]).toEqual([0, 5]);
});
