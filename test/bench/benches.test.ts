import { expect, it } from "vitest";
import { chosenOf } from "./benches.ts";

it("--only names benches, and sections of them", () => {
	expect([...chosenOf("browser,server/ingest,server/latency")]).toEqual([
		["browser", []],
		["server", ["ingest", "latency"]],
	]);
});

it.each([
	["nothing", 'there is no bench "nothing", only browser, server, postgres, queues'],
	["toString", 'there is no bench "toString", only browser, server, postgres, queues'],
	["postgres/lane", 'the bench postgres has no section "lane", only lanes, group, ingest'],
	["queues/queues", "the bench queues has no sections"],
])("--only %s is refused before anything is measured, and told why", (only, why) => {
	expect(() => chosenOf(only)).toThrow(new TypeError(why));
});
