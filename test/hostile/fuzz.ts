import { parseArgs } from "node:util";
import { startBuilt } from "./built.ts";
import { attack, attemptsOf, deliversNothing } from "./mutated.ts";

/**
 * `npm run fuzz -- [--seconds 60] [--seed N]`: sends mutated batches to the built proxy. Exits with 1 at the first wrong
 * answer. The same seed makes the same batches.
 */
const { values } = parseArgs({ options: { seconds: { type: "string" }, seed: { type: "string" } } });
const seconds = Number(values.seconds ?? 60);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
if (!(seconds > 0) || !Number.isSafeInteger(seed))
	throw new TypeError("--seconds must be a number above 0, --seed an integer");
const say = (line: string) => void process.stdout.write(`${line}\n`);

say(`seed ${seed}`);
const built = await startBuilt(deliversNothing);
const roundSize = 5_000;
const until = performance.now() + seconds * 1_000;
let sent = 0;
try {
	while (performance.now() < until && process.exitCode === undefined) {
		const round = await attack(built.url, attemptsOf(seed + sent, roundSize));
		sent += round.sent;
		if (round.attempt) {
			say(`${round.flaw}: ${JSON.stringify(round.attempt.headers)} ${round.attempt.body.toString("base64")}`);
			process.exitCode = 1;
		}
	}
} finally {
	if ((await built.stop()) !== 0) process.exitCode = 1;
}
say(`${sent} batches, ${process.exitCode === 1 ? "a wrong answer or a crash" : "no wrong answer"} (seed ${seed})`);
