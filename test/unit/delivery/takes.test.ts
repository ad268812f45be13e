import { expect, it } from "vitest";
import { createTakes } from "../../../server/delivery/takes.ts";
import { createWindow } from "../../../server/delivery/window.ts";
import { createLanes, destination, running } from "./lanes.ts";

it("a take refused because of an unknown hold learns of the hold, and is due again at once", async () => {
	const lanes = createLanes();
	lanes.add(1);
	const stored = "held by another";
	let known: string | undefined;
	const window = createWindow({ isShared: true });
	const takes = createTakes({
		destination,
		outbox: {
			take: async (request) =>
				request.hold === stored ? lanes.take(request) : { leases: [], hold: stored, nextAt: undefined },
		},
		window,
		purse: { reservedOnly: () => false },
		hold: {
			...running,
			stored: () => known,
			seen(_, found) {
				known = found;
			},
		},
		now: () => 0,
	});
	await takes.take(4);
	expect([known, takes.readyAt(), window.all()]).toEqual([stored, 0, []]);
	await takes.take(4);
	expect([takes.readyAt(), window.all()]).toMatchObject([60_000, [{ lease: { lane: 1 } }]]);
});
