import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";

it("what is under way takes no simulated time, however long a busy machine keeps it waiting", () => {
	// In a process of its own, as the clock takes the place of that one's.
	const script = `
		import { setTimeout as really } from "node:timers";
		import { installClock } from "./test/simulate/clock.ts";
		const clock = installClock(0);
		const told = [];
		void clock.sleep(1_000).then(() => {
			void clock.during(new Promise((done) => really(done, 100))).then(() => told.push("done at " + clock.now()));
		});
		void clock.sleep(2_000).then(() => told.push("later"));
		await clock.runUntil(3_000);
		process.stdout.write(told.join(", "));`;
	const args = ["--import", "./test/simulate/thread.ts", "--input-type=module", "-e", script];
	expect(execFileSync(process.execPath, args, { encoding: "utf8" })).toBe("done at 1000, later");
});
