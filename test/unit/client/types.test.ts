import { expectTypeOf, test } from "vitest";
import type { Command, ScriptTag, Tracker } from "../../../client/index.ts";

interface ShopEvents {
	"basket:item:added": { product: string; price?: number };
	search: { query?: string };
	"menu:opened": undefined;
}

declare const stub: ScriptTag<ShopEvents> | undefined;
const pushed: Command<ShopEvents>[] = [
	["track", "search", { query: "pen" }],
	["login", { email: "ada@example.com" }],
	["page"],
];

/** Never called: `tsc -p test` checks that the marked lines do not compile. */
function misuse(shop: Tracker<ShopEvents>, any: Tracker): void {
	shop.track("basket:item:added", { product: "pen" }, { color: "blue" });
	shop.track("search");
	shop.track("search", { query: "pen" });
	shop.track("menu:opened");
	any.track("anything", { at: ["all"] });
	any.track("nothing");

	stub?.push(...pushed);
	stub?.push(["optOut"], ["confirmation", { orderId: 7 }]);
	// @ts-expect-error: no such method
	stub?.push(["tarck", "search"]);
	// @ts-expect-error: an order has an orderId
	stub?.push(["confirmation", { total: 1 }]);
	// @ts-expect-error: the package itself declares no global
	window.eventferry;

	// @ts-expect-error: no such event
	shop.track("basket:item:removed", { product: "pen" });
	// @ts-expect-error: data is missing
	shop.track("basket:item:added");
	// @ts-expect-error: product is missing
	shop.track("basket:item:added", { price: 1 });
	// @ts-expect-error: a price is a number
	shop.track("basket:item:added", { product: "pen", price: "1" });
	// @ts-expect-error: this event has no data
	shop.track("menu:opened", { side: "left" });
	// @ts-expect-error: not one of the colors
	shop.track("search", {}, { color: "mauve" });
	// @ts-expect-error: data is an object
	any.track("anything", "text");
	// @ts-expect-error: an order has an orderId
	any.confirmation({ total: 1 });
	// @ts-expect-error: a userId is a text or a number
	any.login({ userId: true });
	// @ts-expect-error: no such notice
	any.on("sent", () => {});
}

test("typed events accept only declared names and data", () => {
	expectTypeOf(misuse).toBeFunction();
	expectTypeOf<ReturnType<Tracker["state"]>["waiting"]>().toBeNumber();
});
