import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { describe, expect, test } from "vitest";
import { createTracker, type Tracker } from "../../../client/index.ts";
import { TrackerProvider, useTracker } from "../../../client/react.ts";

type ShopEvents = { "basket:item:added": { product: string } };

describe("eventferry/react", () => {
	test("useTracker() returns the tracker of the nearest provider above", () => {
		const [outer, inner] = ["site_outer", "site_inner"].map((writeKey) =>
			createTracker<ShopEvents>({ proxy: "/ferry", writeKey }),
		);
		if (!outer || !inner) throw new Error("unreachable");
		const seen: Tracker<ShopEvents>[] = [];
		const Product = () => {
			seen.push(useTracker<ShopEvents>());
			return null;
		};
		const nested = createElement(TrackerProvider<ShopEvents>, { tracker: inner }, createElement(Product));
		renderToString(createElement(TrackerProvider<ShopEvents>, { tracker: outer }, createElement(Product), nested));
		expect(seen).toEqual([outer, inner]);
	});

	test("useTracker() throws an error that names the missing provider", () => {
		const Lost = () => {
			useTracker();
			return null;
		};
		expect(() => renderToString(createElement(Lost))).toThrow(/must be inside a <TrackerProvider>/);
	});
});

/** Never called: `tsc -p test` checks that the marked lines do not compile. */
export function misuse(tracker: Tracker<ShopEvents>): void {
	createElement(TrackerProvider<ShopEvents>, { tracker });
	useTracker<ShopEvents>().track("basket:item:added", { product: "pen" });
	useTracker().track("anything");
	// @ts-expect-error: a provider needs a tracker
	createElement(TrackerProvider<ShopEvents>, {});
	// @ts-expect-error: no such event
	useTracker<ShopEvents>().track("basket:item:removed", { product: "pen" });
}
