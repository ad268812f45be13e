import * as fc from "fast-check";
import * as client from "prom-client";
import { expect, test } from "vitest";
import { createRegistry } from "../../../server/observe/prometheus.ts";

const labelValue = fc.oneof(fc.string(), fc.constantFrom("a", 'b"', "c\\", "d\ne", "f,g=1"), fc.integer());
const number = fc.oneof(fc.nat(), fc.double({ noNaN: true }));
const operation = fc.oneof(
	fc.record({ kind: fc.constant("inc"), site: labelValue, by: fc.double({ min: 0, max: 1e9, noNaN: true }) }),
	fc.record({ kind: fc.constant("set"), site: labelValue, by: number }),
	fc.record({ kind: fc.constant("observe"), site: labelValue, by: fc.double({ min: -10, max: 10, noNaN: true }) }),
	fc.record({ kind: fc.constant("reset"), site: labelValue, by: fc.constant(0) }),
);

test("metrics are written as prom-client, the official library, writes them", async () => {
	await fc.assert(
		fc.asyncProperty(fc.array(operation), async (operations) => {
			const registry = new client.Registry();
			const registers = [registry];
			const help = "What it counts \\ and\nmore.";
			const labelNames = ["site", "destination"] as const;
			const theirs = {
				total: new client.Counter({ name: "x_total", help, labelNames, registers }),
				alone: new client.Counter({ name: "x_alone", help, registers }),
				level: new client.Gauge({ name: "x_level", help, labelNames, registers }),
				seconds: new client.Histogram({ name: "x_seconds", help, buckets: [0.5, 1, 5], labelNames, registers }),
				allSeconds: new client.Histogram({ name: "x_all_seconds", help, buckets: [0.5, 1, 5], registers }),
			};
			const { counter, gauge, histogram, text } = createRegistry("x_");
			const ours = {
				total: counter("total", help, labelNames),
				alone: counter("alone", help),
				level: gauge("level", help, labelNames),
				seconds: histogram("seconds", help, [0.5, 1, 5], labelNames),
				allSeconds: histogram("all_seconds", help, [0.5, 1, 5]),
			};
			for (const { kind, site, by } of operations) {
				const labels = { site, destination: "crisp" };
				if (kind === "inc") {
					for (const { total } of [ours, theirs]) total.inc(labels, by);
					ours.alone.inc({}, by);
					theirs.alone.inc(by);
				} else if (kind === "set") for (const { level } of [ours, theirs]) level.set(labels, by);
				else if (kind === "observe") {
					for (const { seconds } of [ours, theirs]) seconds.observe(labels, by);
					ours.allSeconds.observe({}, by);
					theirs.allSeconds.observe(by);
				} else for (const { level } of [ours, theirs]) level.reset();
			}
			expect(text()).toBe(await registry.metrics());
		}),
	);
});
