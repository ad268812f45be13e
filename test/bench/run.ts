import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, release, totalmem } from "node:os";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { type Bench, benches } from "./benches.ts";
import { writeDocs } from "./docs.ts";
import { tables } from "./print.ts";
import { type BenchRecord, merged, parseLine, readMeasured, recordFile, recordText } from "./record.ts";

const usage = `npm run bench -- [--only BENCH[/SECTION][,…]] [--rounds N] [--docs-only]
Measures eventferry beside its peers: ${Object.entries(benches)
	.map(([name, { minutes }]) => `${name} (${minutes} min)`)
	.join(", ")}.
Prints tables, and writes ${recordFile}, docs/benchmarks.md and its charts. What is not measured anew is kept.
  --only browser,server/ingest   these benches, or sections of them
  --rounds N                     in place of each bench's own
  --docs-only                    measures nothing, writes the page again from ${recordFile}\n`;

const { values } = parseArgs({
	options: {
		only: { type: "string", default: Object.keys(benches).join() },
		rounds: { type: "string" },
		"docs-only": { type: "boolean", default: false },
		help: { type: "boolean", default: false },
	},
});
const chosen = Map.groupBy(
	values.only.split(",").map((each) => each.split("/")),
	([bench = ""]) => bench,
);
if (values.help || [...chosen.keys()].some((name) => !(name in benches)) || !(Number(values.rounds ?? 1) > 0)) {
	process.stderr.write(usage);
	process.exit(values.help ? 0 : 2);
}

const osName = () =>
	/PRETTY_NAME="(.*)"/.exec(existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "")?.[1] ?? "";
const machine = `${cpus()[0]?.model ?? arch()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, ${[osName(), `Linux ${release()}`].filter((each) => each !== "").join(", ")}`;
const { version } = JSON.parse(readFileSync("package.json", "utf8"));

/** Runs a bench; `save` is called with what is known so far, whenever a section has ended. */
async function run(
	name: string,
	{ file, rounds, minutes }: Bench,
	sections: string[],
	save: (run: BenchRecord) => void,
) {
	const args = [...sections, "--rounds", values.rounds ?? String(rounds)];
	const record: BenchRecord = {
		command: `npm run bench:${name} -- ${args.join(" ")}`,
		machine,
		versions: { eventferry: version, Node: process.versions.node },
		sections: {},
	};
	const child: ChildProcess = spawn(process.execPath, [file, ...args, "--json"], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	const ended = once(child, "close");
	// What hangs must not keep the others from being measured.
	const tooLong = setTimeout(() => child.kill(), minutes * 3 * 60_000);
	let results: BenchRecord["sections"][string]["results"] = [];
	let failures: string[] = [];
	for await (const text of createInterface({ input: child.stdout ?? process.stdin })) {
		const line = parseLine(text);
		if ("versions" in line) Object.assign(record.versions, line.versions);
		else if ("result" in line) results.push(line.result);
		else if ("failure" in line) failures.push(line.failure);
		else {
			record.sections[line.section] = { at: new Date().toISOString(), seconds: line.seconds, results, failures };
			[results, failures] = [[], []];
			save(record);
		}
	}
	const [code, signal] = await ended;
	clearTimeout(tooLong);
	const isWhole = code === 0 || Object.values(record.sections).some((section) => section.failures.length > 0);
	if (isWhole && signal === null) return;
	record.failure = signal ? `ended by ${signal} after ${minutes * 3} minutes` : `ended with ${code}`;
	save(record);
}

const before = existsSync(recordFile) ? readMeasured() : {};
const measured = { ...before };
if (!values["docs-only"]) {
	for (const [name, wanted] of chosen) {
		const bench = benches[name];
		if (!bench) continue;
		process.stderr.write(`\n${name}: about ${bench.minutes} minutes\n`);
		const sections = wanted.flatMap(([, section]) => section ?? []);
		await run(name, bench, sections, (record) => {
			measured[name] = merged(before[name], record);
			writeFileSync(recordFile, recordText(measured));
		});
		const found = Object.values(measured[name]?.sections ?? {});
		const results = found.flatMap((section) => section.results);
		const failures = [...found.flatMap((section) => section.failures), measured[name]?.failure ?? []].flat();
		process.stdout.write(`\n${name}\n${tables(results, failures)}\n`);
		if (failures.length > 0) process.exitCode = 1;
	}
}
writeDocs(measured);
