import { describe, expect, it } from "vitest";
import { counterOf, siteItself, tally } from "../../../server/outbox/tally.ts";

const counter = (site: string, destination: string, name: string, value: number) => ({
	site,
	destination,
	name,
	value,
});

describe("the statistics of a store", () => {
	it("add up the events of all sites, and keep each destination's figures to itself", () => {
		const counters = [
			counter("blog", siteItself, "events", 2),
			counter("shop", siteItself, "events", 3),
			counter("", siteItself, "forgotten", 6),
			counter("shop", "crisp", "owed", 4),
			counter("shop", "crisp", "lanes", 1),
			counter("shop", "vibetrace", "delivered", 5),
		];
		const none = { owed: 0, lanes: 0, delivered: 0, dead: 0, leftOut: 0, discarded: {}, oldestAt: undefined };
		expect(tally(counters, () => ({ oldestAt: undefined }))).toEqual({
			events: 5,
			discarded: {},
			forgotten: 6,
			destinations: [
				{ ...none, destination: { site: "shop", name: "crisp" }, owed: 4, lanes: 1 },
				{ ...none, destination: { site: "shop", name: "vibetrace" }, delivered: 5 },
			],
		});
	});

	it("tell events discarded at fan-out from deliveries discarded at a destination", () => {
		const counters = [
			counter("blog", siteItself, "discarded:duplicate", 1),
			counter("shop", siteItself, "discarded:duplicate", 2),
			counter("shop", "crisp", "discarded:forgotten", 7),
		];
		const { discarded, destinations } = tally(counters, () => ({ oldestAt: undefined }));
		expect(discarded).toEqual({ duplicate: 3 });
		expect(destinations.map((each) => each.discarded)).toEqual([{ forgotten: 7 }]);
	});

	it("ask once per destination for figures that no counter holds", () => {
		const asked: string[] = [];
		const budget = { used: 1, windowStart: 2, tokens: 3, refilledAt: 4 };
		const counters = [counter("shop", "crisp", "owed", 1), counter("shop", "crisp", "dead", 1)];
		const { destinations } = tally(counters, (site, name) => {
			asked.push(`${site} ${name}`);
			return { budget, oldestAt: 3 };
		});
		expect(asked).toEqual(["shop crisp"]);
		expect(destinations).toMatchObject([{ budget, oldestAt: 3, owed: 1, dead: 1 }]);
	});

	it("have a counter for each way in which a delivery ends", () => {
		expect(counterOf({ kind: "delivered" })).toBe("delivered");
		expect(counterOf({ kind: "dead", reason: "rejected" })).toBe("dead");
		expect(counterOf({ kind: "discarded", reason: "unknown_person" })).toBe("discarded:unknown_person");
	});
});
