import { execFileSync } from "node:child_process";
import { runBench } from "./bench-process.ts";
import { benches } from "./benches.ts";
import { medianOf, spread, targetText } from "./print.ts";
import { judged, median, type Target } from "./result.ts";

/** How far a ratio may be off on a machine that does other things too: by more, something is broken. */
const bands: { name: RegExp; within: Target }[] = [
	{ name: /^durable ingest.*CPU an event/, within: { atMost: 60 } },
	{ name: /^durable ingest, \d destinations$/, within: { atLeast: 0.01 } },
	{ name: /^fan-out behind/, within: { atMost: 30 } },
	{ name: /^post to provider/, within: { atMost: 100 } },
];

/** Sizes, which are exact, and a few ratios, which are not, in half a minute; resolves to whether all are within bounds. */
export async function checkForCi(): Promise<boolean> {
	let isFine = true;
	try {
		execFileSync("npm", ["run", "--silent", "size"], { stdio: ["ignore", "inherit", "inherit"] });
	} catch {
		isFine = false;
	}
	const unseen = new Set(bands);
	const args = ["ingest", "latency", "--rounds", "3", "--seconds", "0.5"];
	const failure = await runBench(benches.server?.file ?? "", args, 5, (line) => {
		if ("failure" in line) {
			isFine = false;
			process.stdout.write(`failed: ${line.failure}\n`);
		}
		if (!("result" in line)) return;
		const band = bands.find(({ name }) => name.test(line.result.name));
		if (!band) return;
		unseen.delete(band);
		const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = band.within;
		const values = judged(line.result);
		const isWithin = median(values) >= atLeast && median(values) <= atMost;
		isFine &&= isWithin;
		const bounds = `${medianOf(values, "")} (${spread(values)}), may be ${targetText(band.within)}`;
		process.stdout.write(`${isWithin ? "fine" : "FAR OFF"}: ${line.result.name}: ${bounds}\n`);
	});
	for (const { name } of unseen) process.stdout.write(`failed: nothing was measured of ${name.source}\n`);
	if (failure) process.stdout.write(`failed: the server's bench ${failure}\n`);
	return isFine && unseen.size === 0 && failure === undefined;
}
