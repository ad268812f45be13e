import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { withSizes } from "../size/sizes.ts";
import { blockWith } from "../support/readme.ts";
import { temporaryFolder } from "../support/served.ts";

it("the README's sizes match the build: `npm run docs` writes them", async () => {
	const readme = readFileSync("README.md", "utf8");
	expect(await withSizes(readme)).toBe(readme);
	expect(readme.match(/\| \d\.\d KB \|/g)).toHaveLength(4);
});

it("the example for users' own tests runs and ends", async () => {
	const example = blockWith("import { startSandbox }", "docs/testing.md");
	const { path, remove } = temporaryFolder();
	// Inside this package: https://nodejs.org/api/packages.html#self-referencing-a-package-using-its-name.
	mkdirSync("test-results", { recursive: true });
	writeFileSync("test-results/readme-example.mjs", example.replace("./test.db", `${path}/test.db`));
	const { stdout } = await promisify(execFile)(process.execPath, ["test-results/readme-example.mjs"], {
		timeout: 60_000,
	});
	expect(stdout).toBe("ada@example.com [ 503, 503, 404, 201, 200 ]\n");
	remove();
});
