import { parseArgs } from "node:util";
import { stopAll } from "./children.ts";
import { blockedPeople, deadDestination, hog, limit } from "./fairness.ts";
import { growth } from "./growth.ts";
import { print, type Row } from "./measure.ts";
import { delivery, ingest, latency, type Settings, slowDisk } from "./sections.ts";

const sections: Record<string, (settings: Settings) => Promise<Row[]>> = {
	ingest,
	slowDisk,
	delivery,
	latency,
	limit,
	hog,
	deadDestination,
	blockedPeople,
	growth,
};

const usage = `node test/bench/server.ts [${Object.keys(sections).join("] [")}] [--seconds S] [--rounds N] [--destinations 1-3]
Ratios within one run; nothing else is comparable.\n`;

const { values, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		/** Length of each measured round. */
		seconds: { type: "string", default: "1" },
		rounds: { type: "string", default: "5" },
		destinations: { type: "string", default: "3" },
		help: { type: "boolean", default: false },
	},
});
const settings: Settings = {
	ms: Number(values.seconds) * 1_000,
	rounds: Number(values.rounds),
	destinations: Number(values.destinations),
};
const chosen = positionals.length > 0 ? positionals : Object.keys(sections);
if (
	values.help ||
	chosen.some((name) => !(name in sections)) ||
	Object.values(settings).some((value) => !(value > 0))
) {
	process.stderr.write(usage);
	process.exit(values.help ? 0 : 2);
}

const rows: Row[] = [];
try {
	for (const name of chosen) {
		process.stderr.write(`${name} …\n`);
		rows.push(...((await sections[name]?.(settings)) ?? []));
		await stopAll();
	}
} finally {
	await stopAll();
}
print(rows);
