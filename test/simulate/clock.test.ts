import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";

it("work under way takes no simulated time, however long it takes on a busy machine", () => {
	// Run in a process of its own, because the simulated clock replaces the process's.
	const script = `
		import { setTimeout as realTimeout } from "node:timers";
		import { installClock } from "./test/simulate/clock.ts";
		const clock = installClock(0);
		const log = [];
		void clock.sleep(1_000).then(() => {
			void clock.during(new Promise((done) => realTimeout(done, 100))).then(() => log.push("done at " + clock.now()));
		});
		void clock.sleep(2_000).then(() => log.push("later"));
		await clock.runUntil(3_000);
		process.stdout.write(log.join(", "));`;
	const args = ["--import", "./test/simulate/thread.ts", "--input-type=module", "-e", script];
	expect(execFileSync(process.execPath, args, { encoding: "utf8" })).toBe("done at 1000, later");
});
