/** `npm run test:faults -- --rounds 100`: the fault tests, each random fault repeated so often. Other arguments are vitest's. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values, tokens } = parseArgs({
	options: { rounds: { type: "string", default: "5" } },
	strict: false,
	allowPositionals: true,
	tokens: true,
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new TypeError("--rounds must be a whole number, 1 or more");
const others = tokens.flatMap((token) => {
	if (token.kind === "positional") return [token.value];
	if (token.kind !== "option" || token.name === "rounds") return [];
	return [token.value === undefined ? token.rawName : `${token.rawName}=${token.value}`];
});

const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url));
const { status } = spawnSync(
	process.execPath,
	[vitest, "run", "test/faults", "test/unit/outbox/model", "test/unit/outbox/postgres", ...others],
	{
		stdio: "inherit",
		env: { ...process.env, EVENTFERRY_FAULT_ROUNDS: String(rounds) },
	},
);
process.exitCode = status ?? 1;
