import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { supportsNode } from "../../server/version.ts";

it.each([
	["20.20.2", false],
	["22.18.0", false],
	["22.19.0", false],
	["22.20.0", true],
	["22.23.3", true],
	["23.11.1", false],
	["24.0.0", false],
	["24.6.0", false],
	["24.7.0", true],
	["24.21.0", true],
	["25.0.0", true],
	["26.10.0", true],
	["27.0.0-nightly20261101", true],
	["100.0.0", true],
])("Node %s is supported: %s", (version, isSupported) => {
	expect(supportsNode(version)).toBe(isSupported);
});

it("package.json promises the same versions", () => {
	expect(JSON.parse(readFileSync("package.json", "utf8")).engines.node).toBe("^22.20 || >=24.7");
});
