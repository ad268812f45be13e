import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

const args = ["--import", "./test/simulate/thread.ts", "test/simulate/run.ts", "--visitors", "500", "--seed", "11"];

it("a day with bots, lost networks, deploys, an outage and a spent quota breaks no invariant", () => {
	const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
	expect(stdout, stderr).toContain("## What must be true of every day");
	expect(stdout, stderr).not.toContain("BROKEN");
	expect(status).toBe(0);
});
