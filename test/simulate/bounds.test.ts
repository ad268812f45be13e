import { describe, expect, it } from "vitest";
import { boundsOf } from "./bounds.ts";
import type { Delivery } from "./outcome.ts";

const at = 0;

/** Makes the deliveries of a person's events: L is a login, U an update, V browsing, P a purchase, B the backend's purchase. */
function dayOf(person: string, events: string): Delivery[] {
	const types = { L: "login", U: "update", V: "track", P: "confirmation", B: "confirmation" } as const;
	return [...events].map((letter, n) => {
		const sets = letter === "L" ? { firstname: "Ada", visits: 1 } : letter === "U" ? { basket: n } : undefined;
		const accepted = { id: `${n}`, person, at, sent: n, answered: n, place: 0 };
		const type = types[letter as keyof typeof types];
		return {
			entry: { n, source: 0, type, at, sets, trusted: letter === "B", copies: 0, accepted },
			destination: "crisp",
			outcome: { kind: "waiting" },
		};
	});
}

describe("the bounds of a day's requests", () => {
	it.each([
		["a refusal, a creation and an event for somebody unknown", "V", 3, 1],
		["one request for all browsing", "VVVV", 3, 4],
		["one update for all attributes", "LLU", 3, 3],
		["a digest, an update and a purchase", "LVVUP", 5, 5],
		["a purchase of the backend beside the browsing", "VVBV", 4, 4],
		["another digest and update behind a purchase", "LVVPLVU", 7, 7],
		["no update for a login that changes nothing", "LVVPLV", 6, 6],
	])("are %s", (_, events, requests, most) => {
		const bound = boundsOf(dayOf("ada", events), new Set(), requests);
		expect(bound("events", "purchases")).toBe(most);
		// A bound may count a part of the events that one request more would deliver, and is never too low.
		expect(boundsOf(dayOf("ada", events), new Set(), 2)("events", "purchases")).toBeLessThan(most);
	});

	it("are those of an update of the name, a digest and a purchase for somebody known", () => {
		expect(boundsOf(dayOf("ada", "VVP"), new Set(["ada"]), 3)("events", "purchases")).toBe(3);
	});

	it("are those of a creation more for somebody known, and of one less for others, where creations come first", () => {
		const most = (known: ReadonlySet<string>, requests: number) =>
			boundsOf(dayOf("ada", "VVP"), known, requests, true)("events", "purchases");
		expect([most(new Set(), 3), most(new Set(["ada"]), 4)]).toEqual([3, 3]);
		expect([most(new Set(), 2), most(new Set(["ada"]), 3)].every((events) => events < 3)).toBe(true);
	});

	it("choose the people with the most deliveries for a request", () => {
		const people = [...dayOf("ada", "VVVVVVVV"), ...dayOf("bob", "VVVV"), ...dayOf("eve", "P")];
		const bound = boundsOf(people, new Set(), 3);
		expect(bound("events", "purchases")).toBe(8);
		expect(bound("purchases", "events")).toBe(1);
	});

	it("are lower if some purchases must be among the events", () => {
		const people = [...dayOf("ada", "VVVVVVVV"), ...dayOf("eve", "P")];
		expect(boundsOf(people, new Set(), 3)("events", "purchases", 1)).toBe(1);
		expect(boundsOf(people, new Set(), 6)("events", "purchases", 1)).toBe(9);
		expect(boundsOf(people, new Set(), 3)("purchases", "events", 8)).toBe(0);
	});
});
