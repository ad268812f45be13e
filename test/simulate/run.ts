import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { installClock } from "./clock.ts";
import type { CrispFigures } from "./report.ts";

const usage = `npm run simulate -- [--visitors 50000] [--seed N] [--create-first | --compare] [--write FOLDER]
Simulates a day of a shop against simulated providers. Exits with 1 if something that must always be true was not.\n`;

const { values } = parseArgs({
	options: {
		visitors: { type: "string", default: "50000" },
		/** Seed that determines the visitors; random by default. */
		seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
		/** Folder for the report and its picture. */
		write: { type: "string" },
		/** Whether people are created at Crisp before it was asked for them. */
		"create-first": { type: "boolean", default: false },
		/** Simulates the day with `--create-first` too, in another process, for a comparison. */
		compare: { type: "boolean", default: false },
		help: { type: "boolean", default: false },
	},
});
const [visitors, seed] = [Number(values.visitors), Number(values.seed)];
if (values.help || !Number.isInteger(seed) || !(visitors >= 1)) {
	process.stderr.write(usage);
	process.exit(values.help ? 0 : 2);
}

/** Simulates the same visitors with `--create-first`; resolves to what Crisp got. */
async function dayCreatedFirst(): Promise<CrispFigures> {
	const args = ["--visitors", values.visitors, "--seed", values.seed, "--create-first"];
	const other = fork(fileURLToPath(import.meta.url), args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
	const [[figures]] = await Promise.all([once(other, "message"), once(other, "exit")]);
	return figures;
}
const createdFirst = values.compare ? dayCreatedFirst() : undefined;

const since = process.hrtime.bigint();
const seconds = () => Number(process.hrtime.bigint() - since) / 1e9;
process.stderr.write(`seed ${seed}\n`);
// Install the clock before importing a module that imports timers by name.
const clock = installClock(Date.UTC(2026, 1, 3));
const { createRandom } = await import("./random.ts");
Math.random = createRandom(seed).next;
const { simulateDay } = await import("./day.ts");
const { arrivalsOf, deliveriesOf } = await import("./outcome.ts");
const { verdict } = await import("./verdict.ts");
const { crispFigures, report } = await import("./report.ts");
const { drawDay } = await import("./picture.ts");

const day = await simulateDay(clock, {
	visitors,
	seed,
	createFirst: values["create-first"],
	// Keep the store in memory if there is such a folder: it is not needed after the day.
	folder: existsSync("/dev/shm") ? "/dev/shm" : tmpdir(),
	onHour: (hour) => process.stderr.write(`${String(hour).padStart(2, "0")}:00 after ${seconds().toFixed(0)} s\n`),
});
const arrivals = {
	crisp: arrivalsOf(day.people.crisp),
	helpcrunch: arrivalsOf(day.people.helpcrunch),
	vibetrace: arrivalsOf(day.people.vibetrace),
};
const deliveries = deliveriesOf(day.ledger.entries, day.remaining, arrivals);
const invariants = verdict({ ...day, arrivals, deliveries });
const { user, system } = process.cpuUsage();
const result = {
	...day,
	deliveries,
	invariants,
	visitors,
	seed,
	seconds: seconds(),
	cpuSeconds: (user + system) / 1e6,
	memory: process.resourceUsage().maxRSS * 1_024,
	steps: clock.steps(),
};
process.send?.(crispFigures(result));
const other = await createdFirst;
const text = report({ ...result, createdFirst: other });
process.stdout.write(text);
if (values.write !== undefined) {
	mkdirSync(values.write, { recursive: true });
	writeFileSync(join(values.write, "simulation.md"), text);
	writeFileSync(join(values.write, "simulation.svg"), drawDay({ ...day, entries: day.ledger.entries }));
}
process.exitCode = invariants.some(({ broken }) => broken.length > 0) || (other?.broken ?? 0) > 0 ? 1 : 0;
