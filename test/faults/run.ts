/**
 * Runs the fault tests.
 * `npm run test:faults -- --rounds 100` repeats each random fault 100 times.
 * `npm run test:faults -- --events 1000000` runs only the tests of test/faults/volume.test.ts, until 1,000,000 events
 * are acknowledged.
 * Vitest gets all other arguments.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values, tokens } = parseArgs({
	options: { rounds: { type: "string", default: "5" }, events: { type: "string" } },
	strict: false,
	allowPositionals: true,
	tokens: true,
});
function positiveInteger(option: "rounds" | "events"): number | undefined {
	const count = values[option] === undefined ? undefined : Number(values[option]);
	if (count === undefined || (Number.isInteger(count) && count >= 1)) return count;
	throw new TypeError(`--${option} must be a whole number, 1 or more`);
}
const [rounds, events] = [positiveInteger("rounds"), positiveInteger("events")];
const others = tokens.flatMap((token) => {
	if (token.kind === "positional") return [token.value];
	if (token.kind !== "option" || ["rounds", "events"].includes(token.name)) return [];
	return [token.value === undefined ? token.rawName : `${token.rawName}=${token.value}`];
});

const all = ["test/faults", "test/unit/outbox/model", "test/unit/outbox/postgres"];
const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url));
const { status } = spawnSync(
	process.execPath,
	[vitest, "run", ...(events === undefined ? all : ["test/faults/volume"]), ...others],
	{
		stdio: "inherit",
		env: {
			...process.env,
			EVENTFERRY_FAULT_ROUNDS: String(rounds),
			...(events !== undefined && { EVENTFERRY_FAULT_EVENTS: String(events) }),
		},
	},
);
process.exitCode = status ?? 1;
