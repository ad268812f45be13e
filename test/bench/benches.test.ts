import { expect, it } from "vitest";
import { parseOnly } from "./benches.ts";

it("--only takes benches and single sections", () => {
	expect([...parseOnly("browser,server/ingest,server/latency")]).toEqual([
		["browser", []],
		["server", ["ingest", "latency"]],
	]);
});

it.each([
	["nothing", 'there is no bench "nothing": choose from browser, server, postgres, queues'],
	["toString", 'there is no bench "toString": choose from browser, server, postgres, queues'],
	[
		"postgres/lane",
		'the bench postgres has no section "lane": choose from lanes, group, scale, ingest, million, oldTransaction, log, fanOut',
	],
	["queues/none", 'the bench queues has no section "none": choose from queues, ingest'],
])("--only %s is refused with the reason", (only, reason) => {
	expect(() => parseOnly(only)).toThrow(new TypeError(reason));
});
