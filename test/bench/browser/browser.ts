import { parseArgs } from "node:util";
import { type Chromium, launchChromium } from "../../browser/chromium.ts";
import { atMost, median, print, type Row } from "../measure.ts";
import { type Cost, cost } from "./cost.ts";
import { type Delivery, delivery, memory } from "./delivery.ts";
import { type Page, readPeers } from "./peer.ts";

const usage = `npm run bench:browser -- [--rounds N] [--json] [peer …]
The snippet beside its peers, in Chromium. Ratios within one run; nothing else is comparable.\n`;

const { values, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		rounds: { type: "string", default: "5" },
		json: { type: "boolean", default: false },
		help: { type: "boolean", default: false },
	},
});
const rounds = Number(values.rounds);
if (values.help || !(rounds > 0)) {
	process.stderr.write(usage);
	process.exit(values.help ? 0 : 2);
}

/** What one peer was found to be. */
interface Result {
	peer: Page;
	costs: Cost[];
	delivery: Delivery | undefined;
}

async function measure(chromium: Chromium, peers: Page[]): Promise<Result[]> {
	const results: Result[] = peers.map((peer) => ({ peer, costs: [], delivery: undefined }));
	// In turn, so that what slows the machine for a while slows them all.
	for (let round = 1; round <= rounds; round++) {
		for (const { peer, costs } of results) {
			process.stderr.write(`round ${round} of ${rounds}: ${peer.name} …\n`);
			costs.push(await cost(chromium, peer));
		}
	}
	for (const result of results) {
		if (result.peer.name.startsWith("bare")) continue;
		process.stderr.write(`delivery: ${result.peer.name} …\n`);
		result.delivery = await delivery(chromium, result.peer);
	}
	return results;
}

const of = (results: Result[], name: string) => results.find(({ peer }) => peer.name === name);
const spread = (values: number[]) =>
	`${median(values).toFixed(1)} (${Math.min(...values).toFixed(1)}-${Math.max(...values).toFixed(1)})`;

function table(results: Result[]): string {
	const head = [
		"",
		"Brotli B",
		"sync µs",
		"burst µs",
		"bursts µs",
		"start ms",
		"50: requests",
		"B/event",
		"1,000: requests",
		"closed of 50",
		"+ next page",
		"twice",
		"outage of 200",
		"twice",
	];
	const lines = results.map(({ peer, costs, delivery }) => [
		peer.name,
		String(peer.brotli),
		...(["sync", "burst", "bursts", "start"] as const).map((what) => spread(costs.map((cost) => cost[what]))),
		...(delivery
			? [
					delivery.requests,
					Math.round(delivery.bytes),
					delivery.requestsOf1000,
					delivery.closed,
					delivery.closedThenOpened,
					delivery.closedTwice,
					delivery.afterOutage,
					delivery.outageTwice,
				].map(String)
			: []),
	]);
	const cells = [head, ...lines];
	const widths = head.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
	return cells
		.map((line) =>
			line
				.map((cell, column) => cell.padEnd(widths[column] ?? 0))
				.join("  ")
				.trimEnd(),
		)
		.join("\n");
}

/** Ours ÷ theirs, round by round. */
function ratio(results: Result[], name: string, what: keyof Cost): number[] {
	const [ours, theirs] = [of(results, "eventferry"), of(results, name)];
	return (ours?.costs ?? []).map((cost, round) => cost[what] / (theirs?.costs[round]?.[what] ?? Number.NaN));
}

function rows(results: Result[], grown: number | undefined): Row[] {
	const row = (what: string, values: number[], most: number): Row => ({
		what,
		values,
		target: `≤ ${most}`,
		meets: atMost(most),
	});
	const ours = of(results, "eventferry");
	const all = [
		row("script tag, bytes Brotli", ours ? [ours.peer.brotli] : [], 5_000),
		row("sync CPU ÷ Amplitude's", ratio(results, "Amplitude", "sync"), 1),
		row("all CPU, burst of 1,000 ÷ Umami's", ratio(results, "Umami", "burst"), 0.3),
		row("all CPU, bursts of 10 ÷ Snowplow's", ratio(results, "Snowplow", "bursts"), 0.4),
		row("evaluation and start ÷ Plausible's", ratio(results, "Plausible", "start"), 0.6),
		...(ours?.delivery
			? [
					row("requests for 50 events in 5 s", [ours.delivery.requests], 3),
					row("bytes of body an event", [ours.delivery.bytes], 110),
					row("requests for 1,000 events", [ours.delivery.requestsOf1000], 12),
					row("lost of 50 when the tab closes", [50 - ours.delivery.closedThenOpened], 0),
					row("lost of 200 after an outage", [200 - ours.delivery.afterOutage], 0),
					row("sent twice of 200 after an outage", [ours.delivery.outageTwice], 0),
				]
			: []),
		row("MB more after 10,000 events", grown === undefined ? [] : [grown / 1e6], 1),
	];
	return all.filter(({ values }) => values.length > 0 && !values.some(Number.isNaN));
}

const peers = await readPeers(positionals.map((name) => name.toLowerCase()));
const chromium = await launchChromium();
try {
	const results = await measure(chromium, peers);
	const ours = of(results, "eventferry");
	const grown = ours && (await memory(chromium, ours.peer));
	if (values.json) {
		const plain = results.map(({ peer: { name, brotli }, costs, delivery }) => ({ name, brotli, costs, delivery }));
		process.stdout.write(`${JSON.stringify({ peers: plain, grown })}\n`);
	} else {
		process.stdout.write(`${table(results)}\n\n`);
		print(rows(results, grown));
	}
} finally {
	await chromium.close();
}
