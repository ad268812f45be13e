import { execFileSync } from "node:child_process";
import { runBench } from "./bench-process.ts";
import { benches } from "./benches.ts";
import { targetText, withSpread } from "./print.ts";
import { isMet, judged, type Result, type Target } from "./result.ts";

/** Bounds that a ratio keeps even on a busy machine; a ratio outside them means that something is broken. */
const bands: { name: RegExp; within: Target }[] = [
	{ name: /^durable ingest.*CPU an event/, within: { atMost: 60 } },
	{ name: /^durable ingest, \d destinations$/, within: { atLeast: 0.01 } },
	{ name: /^fan-out behind/, within: { atMost: 30 } },
	{ name: /^post to provider/, within: { atMost: 100 } },
];

/** Compares a result with its bounds and describes the outcome; undefined if CI does not check this result. */
export function judgeForCi(result: Result): { band: RegExp; isFine: boolean; text: string } | undefined {
	const found = bands.find(({ name }) => name.test(result.name));
	if (!found) return undefined;
	const { name, within } = found;
	const isFine = isMet({ ...result, target: within }) ?? false;
	const bounds = `${withSpread(judged(result), "")}, allowed: ${targetText(within)}`;
	return { band: name, isFine, text: `${isFine ? "fine" : "FAR OFF"}: ${result.name}: ${bounds}` };
}

/** Checks sizes exactly and a few ratios loosely, in half a minute; resolves to true if all are within bounds. */
export async function checkForCi(): Promise<boolean> {
	const wrong: string[] = [];
	try {
		execFileSync("npm", ["run", "--silent", "size"], { stdio: ["ignore", "inherit", "inherit"] });
	} catch {
		wrong.push("a size is over its limit");
	}
	const unmatched = new Set(bands.map(({ name }) => name));
	const args = ["ingest", "latency", "--rounds", "3", "--seconds", "0.5"];
	const failure = await runBench(benches.server.file, args, 5, (line) => {
		if ("failure" in line) wrong.push(line.failure);
		const judgement = "result" in line ? judgeForCi(line.result) : undefined;
		if (!judgement) return;
		unmatched.delete(judgement.band);
		if (judgement.isFine) process.stdout.write(`${judgement.text}\n`);
		else wrong.push(judgement.text);
	});
	if (failure) wrong.push(`the server's bench ${failure}`);
	wrong.push(...[...unmatched].map(({ source }) => `no result matches ${source}`));
	for (const each of wrong) process.stdout.write(`failed: ${each}\n`);
	return wrong.length === 0;
}
