import { expect, it } from "vitest";
import { createPurse } from "../../../server/delivery/budget.ts";
import type { GroupHold } from "../../../server/delivery/group-hold.ts";
import { createTakes } from "../../../server/delivery/takes.ts";
import { createWindow } from "../../../server/delivery/window.ts";
import type { Outbox } from "../../../server/outbox/outbox.ts";
import { contextOf, createLanes, running } from "./lanes.ts";

it("a take refused because of an unknown hold learns of the hold, and is due again at once", async () => {
	const lanes = createLanes();
	lanes.add(1);
	const stored = "held by another";
	let known: string | undefined;
	const window = createWindow({ isShared: true });
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
	const takes = createTakes(context, window, createPurse(context), hold);
	await takes.take(4);
	expect([known, takes.readyAt(), window.all()]).toEqual([stored, 0, []]);
	await takes.take(4);
	expect([takes.readyAt(), window.all()]).toMatchObject([60_000, [{ lease: { lane: 1 } }]]);
});
