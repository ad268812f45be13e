import { parseArgs } from "node:util";
import type { SectionOf } from "./benches.ts";
import { stopAll } from "./children.ts";
import { blockedPeople, deadDestination, hog, limit } from "./fairness.ts";
import { footprint } from "./footprint.ts";
import { growth } from "./growth.ts";
import { measure } from "./measure.ts";
import { costs } from "./million.ts";
import type { Result } from "./result.ts";
import { rules } from "./rules.ts";
import { delivery, ingest, latency, ownFunction, type Settings, segment, slowDisk } from "./sections.ts";

const sections: Record<string, (settings: Settings) => Promise<Result[]>> = {
	ingest,
	segment,
	rules,
	slowDisk,
	delivery,
	ownFunction,
	latency,
	limit,
	hog,
	deadDestination,
	blockedPeople,
	growth,
	footprint,
	million: ({ rounds }: Settings) => costs(rounds),
} satisfies Record<SectionOf<"server">, unknown>;

const usage = `node test/bench/server.ts [${Object.keys(sections).join("] [")}] [--seconds S] [--rounds N] [--destinations 1-3] [--json]
Measures the proxy with SQLite. Only ratios within one run are comparable.\n`;

const { values, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		/** Length of each measured round. */
		seconds: { type: "string", default: "1" },
		rounds: { type: "string", default: "5" },
		destinations: { type: "string", default: "3" },
		json: { type: "boolean", default: false },
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

const runs = chosen.map((name) => [name, async () => (await sections[name]?.(settings)) ?? []]);
const versions = { SQLite: process.versions.sqlite ?? "" };
const isDone = await measure(Object.fromEntries(runs), { json: values.json, versions, after: stopAll });
// Exit explicitly, because a failed section may have left something open.
process.exit(isDone ? 0 : 1);
