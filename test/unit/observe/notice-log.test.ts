import { expect, test } from "vitest";
import { createLog } from "../../../server/observe/log.ts";
import { createFaultLog, kindOfError } from "../../../server/observe/notice-log.ts";

test("an unexpected error is logged once a minute for each place that throws it, whatever its message", () => {
	const lines: string[] = [];
	const stream = { write: (line: string) => void lines.push(line) };
	let now = 0;
	const logFault = createFaultLog(createLog("info", { stream }), () => now);
	const first = (sent: string) => new RangeError(`of a client: \n    at ${sent}`);
	const second = () => new RangeError("elsewhere");
	const log = (err: unknown) => logFault("failed", { err }, kindOfError(err));
	for (let n = 0; n < 100; n += 1) log(first(`${n}`));
	expect(lines).toHaveLength(1);
	log(second());
	log("no error");
	expect(lines).toHaveLength(3);
	now = 60_000;
	log(first("again"));
	expect(lines).toHaveLength(4);
});
