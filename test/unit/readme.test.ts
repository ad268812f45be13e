import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { configSchema } from "../../server/config/schema.ts";
import { defineDestination } from "../../server/destinations/destination.ts";
import { testDestination } from "../../server/sandbox/index.ts";
import { withMeasured } from "../bench/comparison.ts";
import { page } from "../bench/docs.ts";
import { withFigures } from "../bench/figures.ts";
import { againFile, readMeasured } from "../bench/record.ts";
import { withMillion } from "../bench/scale.ts";
import { blockWith } from "../support/readme.ts";

const readme = readFileSync("README.md", "utf8");

it("the README's figures and docs/benchmarks.md match the last measurements: `npm run docs` writes them", () => {
	const measured = readMeasured();
	expect(withFigures(readme, measured)).toBe(readme);
	const text = page(measured, readMeasured(againFile));
	expect(text).toBe(readFileSync("docs/benchmarks.md", "utf8"));
	const pictures = [...text.matchAll(/"\.\/(benchmarks-[\w-]+\.svg)"/g)].map(([, file]) => `docs/${file}`);
	expect(pictures.filter((file) => !existsSync(file))).toEqual([]);
	expect(pictures.length).toBeGreaterThan(0);
});

it("the cost of a million events in docs/scale.md matches the last measurement: `npm run docs` writes it", () => {
	const scale = readFileSync("docs/scale.md", "utf8");
	expect(scale).toContain("| CPU of the proxy, to take them in |");
	expect(withMillion(scale, readMeasured())).toBe(scale);
});

it("the cells marked B in docs/comparison.md match the last measurements: `npm run docs` writes them", () => {
	const comparison = readFileSync("docs/comparison.md", "utf8");
	expect(withMeasured(comparison, readMeasured())).toBe(comparison);
	expect(comparison.match(/, B\b/g)?.length).toBeGreaterThan(30);
});

it.each(["docs/configuration.md", "docs/operating.md"])("the configuration file in %s is valid", (page) => {
	const [, file = ""] = /defineConfig\((\{[\s\S]*?\})\);/.exec(blockWith("// eventferry.config.mjs", page)) ?? [];
	// Each secret is another one.
	let secrets = 0;
	const text = file.replaceAll("…", "x").replaceAll(/process\.env\.\w+/g, () => `"secret-${secrets++}"`);
	const config = new Function(`return ${text}`)();
	expect(configSchema({ sandbox: false, needsDestination: true }).safeParse(config).error?.issues).toBeUndefined();
});

it("the destinations in docs/providers.md are valid, and pass testDestination", async () => {
	const block = blockWith("import { defineDestination }", "docs/providers.md").replace(/^import .*$/m, "");
	const env = { SLACK_URL: "https://hooks.slack.com/x", WAREHOUSE_SECRET: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" };
	const destinations = new Function("defineDestination", "process", `${block}; return destinations;`)(
		defineDestination,
		{ env },
	);
	const sites = [{ writeKey: "site_shop", origins: ["https://shop.example"], destinations }];
	const { error } = configSchema({ sandbox: false, needsDestination: true }).safeParse({ sites });
	expect(error?.issues).toBeUndefined();
	await testDestination(destinations.slack);
});
