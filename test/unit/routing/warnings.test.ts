import { expect, it } from "vitest";
import type { Rule } from "../../../server/config/rule.ts";
import { ruleWarnings } from "../../../server/routing/warnings.ts";

const places = [{ name: "chat" }, { name: "mail", events: ["confirmation", "basket:*"] }];
const warnings = (...rules: Rule[]) => ruleWarnings(rules, places, "rules");
const nothing: string[] = [];

it("a rule to a destination that the site lacks is named, with those that it has", () => {
	expect(warnings({ event: "x", to: ["chat", "chta"], color: "red" })).toEqual([
		"rules[0].to names chta, but the destinations of this site are: chat and mail",
	]);
	expect(ruleWarnings([{ event: "x", to: ["chat"], color: "red" }], [], "rules")).toEqual([
		"rules[0].to names chat, but the destinations of this site are: none",
	]);
});

it.each<[string, Rule, Rule, boolean]>([
	["the same events", { event: "x", color: "red" }, { event: "x", color: "blue" }, true],
	["more events", { event: "x:y", color: "red" }, { event: "x:*", color: "blue" }, true],
	["more events of a pattern", { event: "x:y:*", color: "red" }, { event: "x:*", color: "blue" }, true],
	["every track", { event: "x*", color: "red" }, { event: "track", color: "blue" }, true],
	["every event", { event: "page", send: false }, { event: "*", send: true }, true],
	["fewer events", { event: "x:*", color: "red" }, { event: "x:y", color: "blue" }, false],
	["other events", { event: "x*", color: "red" }, { event: "*y", color: "blue" }, false],
	["not every type", { event: "*", color: "red" }, { event: "track", color: "blue" }, false],
	["fewer destinations", { event: "x", color: "red" }, { event: "x", to: ["chat"], color: "blue" }, false],
	["the same destinations", { event: "x", to: ["chat"], color: "red" }, { event: "x", color: "blue" }, true],
	["one tracker's calls", { event: "x", color: "red" }, { event: "x", via: "gtag", color: "blue" }, false],
	["every tracker's calls", { event: "x", via: "gtag", color: "red" }, { event: "x", color: "blue" }, true],
	["another part", { event: "x", color: "red" }, { event: "x", name: "y" }, false],
])("a rule is named if a later one replaces it for %s", (_of, first, later, isNamed) => {
	const [warning = ""] = warnings(first, later);
	expect(warning.includes("later rules replace all that it says")).toBe(isNamed);
});

it("a rule is named if several later ones replace it together", () => {
	const both: Rule[] = [
		{ event: "x", to: ["chat"], color: "blue" },
		{ event: "x*", to: ["mail"], color: "blue" },
	];
	expect(warnings({ event: "x", color: "red" }, ...both)[0]).toMatch(/^rules\[0\] \(x\) has no effect/);
});

it("a rule whose events are sent nowhere is named, unless another rule may send them", () => {
	const never = /has no effect: its events are not sent to/;
	expect(warnings({ event: "page", name: "Visited" })[0]).toMatch(never);
	expect(warnings({ event: "purchase", to: ["mail"], as: "confirmation" })[0]).toMatch(never);
	expect(warnings({ event: "purchase", as: "confirmation" })).toEqual(nothing);
	expect(warnings({ event: "basket:x", to: ["mail"], color: "red" })).toEqual(nothing);
	expect(warnings({ event: "p*", to: ["mail"], color: "red" })).toEqual(nothing);
	const sends: Rule = { event: "p*", via: "gtag", send: true };
	expect(warnings({ event: "purchase", to: ["mail"], color: "red" }, sends)).toEqual(nothing);
	expect(warnings({ event: "x", color: "red" }, { event: "x", send: false })[0]).toMatch(never);
});

it("a part that the events of a rule cannot have is named", () => {
	expect(warnings({ event: "login", name: "Hello" })[0]).toMatch(/which a login does not have/);
	expect(warnings({ event: "login", name: "Hello", as: "track" })).toEqual(nothing);
	expect(warnings({ event: "confirmation", digest: true })[0]).toMatch(/is never merged/);
	expect(warnings({ event: "login", digest: true, as: "track" })[0]).toMatch(/has digest, but a login is never merged/);
	expect(warnings({ event: "x", pick: { orderId: "id" } })[0]).toMatch(/for a purchase alone/);
});

it("a shop's rules are right", () => {
	expect(
		warnings(
			{ event: "product:*", digest: true, expires: "3d", to: ["chat"] },
			{ event: "basket:*", digest: true, to: ["chat"] },
			{ event: "purchase", as: "confirmation", pick: { orderId: "order.id" } },
			{ event: "page", to: ["mail"], send: true },
		),
	).toEqual(nothing);
});

it("a thousand rules are looked through at once, though none of their events is sent", () => {
	const rules = Array.from({ length: 1_000 }, (_, index): Rule => ({ event: `x${index}`, to: ["mail"], name: "y" }));
	expect(warnings(...rules)).toHaveLength(1_000);
});
