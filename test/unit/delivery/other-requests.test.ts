import { expect, it } from "vitest";
import type { Purse } from "../../../server/delivery/budget.ts";
import type { Context } from "../../../server/delivery/context.ts";
import type { GroupHold } from "../../../server/delivery/group-hold.ts";
import { createSend } from "../../../server/delivery/other-requests.ts";
import type { DestinationState } from "../../../server/delivery/state.ts";

it("a request that waited for the budget is not sent once the destination is paused", async () => {
	let state: DestinationState = { kind: "running" };
	let sent = 0;
	const purse = {
		fill: async () => {
			state = { kind: "paused", reason: "operator", since: 1 };
		},
		tokens: () => 1,
		spend: () => 0,
	} as unknown as Purse;
	const provider = {
		send: async () => {
			sent += 1;
			return { kind: "delivered" };
		},
	};
	const context = { provider, now: () => 1, signal: new AbortController().signal } as unknown as Context;
	const send = createSend(context, purse, { state: () => state } as unknown as GroupHold);
	const request = { purpose: "remove", method: "DELETE", path: [], ifDelivered: {} } as const;
	expect(await send(request)).toEqual({ kind: "wait", reason: "operator" });
	expect(sent).toBe(0);
});
