import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, release, totalmem, type } from "node:os";
import { parseArgs } from "node:util";
import { runBench } from "./bench-process.ts";
import { type Bench, benches, parseOnly } from "./benches.ts";
import { checkForCi } from "./ci.ts";
import { writeDocs } from "./docs.ts";
import { tables } from "./print.ts";
import { againFile, type BenchRecord, merged, readMeasured, recordFile, recordText } from "./record.ts";
import type { Result } from "./result.ts";

const usage = `npm run bench -- [--only BENCH[/SECTION][,…]] [--rounds N] [--again] [--docs-only] [--ci]
Measures eventferry beside its peers: ${Object.entries(benches)
	.map(([name, { minutes }]) => `${name} (${minutes} min)`)
	.join(", ")}.
Prints tables and writes ${recordFile}, docs/benchmarks.md and its charts. Keeps the figures that are not measured anew.
  --only browser,server/ingest   measure only these benches or sections
  --rounds N                     measure N rounds in place of each bench's default
  --again                        store a second run, in ${againFile}, which the page compares with the first
  --docs-only                    measure nothing, write the page again from the stored runs
  --ci                           check sizes and a few ratios with loose bounds, in half a minute; write nothing\n`;

const { values } = parseArgs({
	options: {
		only: { type: "string", default: Object.keys(benches).join() },
		rounds: { type: "string" },
		ci: { type: "boolean", default: false },
		again: { type: "boolean", default: false },
		"docs-only": { type: "boolean", default: false },
		help: { type: "boolean", default: false },
	},
});
if (values.help || !(Number(values.rounds ?? 1) > 0)) {
	process.stderr.write(usage);
	process.exit(values.help ? 0 : 2);
}
let chosen: ReturnType<typeof parseOnly>;
try {
	chosen = parseOnly(values.only);
} catch (error) {
	process.stderr.write(`--only: ${error instanceof Error ? error.message : String(error)}\n`);
	process.exit(2);
}

const osRelease = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
const system = [/PRETTY_NAME="(.*)"/.exec(osRelease)?.[1] ?? [], `${type()} ${/^[\d.]*/.exec(release())?.[0]}`].flat();
const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
const machine = [cpus()[0]?.model ?? arch(), `${cpus().length} cores`, memory, ...system].join(", ");
const { version } = JSON.parse(readFileSync("package.json", "utf8"));

/** Runs a bench and calls `save` with the record so far after each section. */
async function run(
	name: string,
	{ file, rounds, minutes }: Bench,
	sections: string[],
	save: (run: BenchRecord) => void,
) {
	const args = [...sections, "--rounds", values.rounds ?? String(rounds)];
	const command = `npm run bench:${name} -- ${args.join(" ")}`;
	const record: BenchRecord = {
		machine,
		versions: { eventferry: version, Node: process.versions.node },
		sections: {},
	};
	let [results, failures]: [Result[], string[]] = [[], []];
	const failure = await runBench(file, args, minutes * 3, (line) => {
		if ("versions" in line) Object.assign(record.versions, line.versions);
		else if ("result" in line) results.push(line.result);
		else if ("failure" in line) failures.push(line.failure);
		else {
			record.sections[line.section] = {
				at: new Date().toISOString(),
				seconds: line.seconds,
				command,
				results,
				failures,
			};
			[results, failures] = [[], []];
			save(record);
		}
	});
	if (failure) save({ ...record, failure });
}

if (values.ci) process.exit((await checkForCi()) ? 0 : 1);

const file = values.again ? againFile : recordFile;
if (!values["docs-only"]) {
	for (const [name, sections] of chosen) {
		const bench = benches[name];
		process.stderr.write(`\n${name}: about ${bench.minutes} minutes\n`);
		const before = readMeasured(file)[name];
		await run(name, bench, sections, (record) =>
			writeFileSync(file, recordText({ ...readMeasured(file), [name]: merged(before, record) })),
		);
		const { [name]: measured } = readMeasured(file);
		const found = Object.values(measured?.sections ?? {});
		const results = found.flatMap((section) => section.results);
		const failures = [...found.flatMap((section) => section.failures), measured?.failure ?? []].flat();
		process.stdout.write(`\n${name}\n${tables(results, failures)}\n`);
		if (failures.length > 0) process.exitCode = 1;
	}
}
writeDocs(readMeasured(), readMeasured(againFile));
