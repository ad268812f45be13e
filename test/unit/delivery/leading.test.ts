import { expect, test } from "vitest";
import { planLease } from "../../../server/delivery/leading.ts";
import type { Lease } from "../../../server/outbox/outbox.ts";
import type { Provider } from "../../../server/providers/provider.ts";
import type { Ruled } from "../../../server/stored-event.ts";
import { type Fields, storedEvent } from "../../support/one-event.ts";

const ada = { email: "ada@example.com" };

/** Plans a lease and returns what the provider was told of events worth a profile. */
function isWorthProfile(
	worthProfile: string[] | undefined,
	events: Fields[],
	lease: Partial<Lease> = {},
	ruled?: Ruled,
) {
	let told: boolean | undefined;
	const provider: Partial<Provider> = {
		...{ name: "chat", worthProfile },
		plan(_events, _known, _now, isWorth) {
			told = isWorth;
			return { kind: "done", settles: 1 };
		},
	};
	const stored = events.map((fields) => ({
		...storedEvent({ person: ada, type: "track", name: "x", ...fields }),
		...(ruled && { ruled: { chat: ruled } }),
	}));
	const bodies = stored.map((each) => JSON.stringify(each));
	planLease({ bodies, known: undefined, ...lease } as Lease, provider as Provider, 0);
	return told;
}

test.each<[string, boolean, string[] | undefined, Fields[], Partial<Lease>?, Ruled?]>([
	["of the lease by its type", true, ["login"], [{ name: "a" }, { type: "login" }]],
	["of the lease by its name", true, ["basket:*"], [{ name: "basket:added" }]],
	["as a rule has it", true, ["bought"], [{ name: "paid" }], {}, { name: "bought" }],
	["as it was captured", true, ["paid"], [{ name: "paid" }], {}, { name: "bought" }],
	["that the store tells of", true, ["confirmation"], [{ name: "a" }], { earns: true }],
	["only if there is one", false, ["confirmation"], [{ name: "a" }, { type: "login" }]],
	["only if there is a list", false, undefined, [{ type: "confirmation", data: { orderId: "A" } }]],
])("the provider is told of an event worth a profile %s: %s", (_, told, list, events, lease, ruled) => {
	expect(isWorthProfile(list, events, lease, ruled)).toBe(told);
});
