import { parseArgs } from "node:util";
import { launchChromium } from "../../browser/chromium.ts";
import { type SectionOf, sections as sectionNames } from "../benches.ts";
import { type Fail, measure, type Section } from "../measure.ts";
import type { Result, Target } from "../result.ts";
import { adopted } from "./adopt.ts";
import { type Cost, cost, emptyCost, type FirstCost, firstCost } from "./cost.ts";
import { type Delivery, delivery, memory } from "./delivery.ts";
import { kills } from "./kill.ts";
import { type Page, readPeers, versionsOf } from "./peer.ts";

const usage = `npm run bench:browser -- [--rounds N] [--json] [cost] [first] [adopt] [delivery] [kill] [memory] [tracker …]
Measures the snippet beside other trackers, in Chromium. Only ratios within one run are comparable.\n`;

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

/** Measurements of one tracker; incomplete if one of them failed. */
interface Measured {
	peer: Page;
	costs: Cost[];
	firsts: FirstCost[];
	delivery: Delivery | undefined;
}

/** Measures the waiting trackers in turn. Reports a tracker that fails and drops it from `trackers`. */
async function measureEach(
	trackers: Set<Measured>,
	step: string,
	fail: Fail,
	work: (tracker: Measured) => Promise<void>,
	waiting: Iterator<Measured> = [...trackers].values(),
) {
	for (let next = waiting.next(); !next.done; next = waiting.next()) {
		const tracker = next.value;
		process.stderr.write(`${step}: ${tracker.peer.name} …\n`);
		await work(tracker).catch((error) => {
			trackers.delete(tracker);
			fail(`${step}: ${tracker.peer.name}`, error);
		});
	}
}

/** Measure that is taken of each tracker. */
interface Measure {
	name: string;
	unit: string;
	values(measured: Measured): number[];
	/** Target for ours ÷ this peer's values, or for ours without a peer. */
	target?: Target & { peer?: string };
	betterIs?: Result["betterIs"];
}

const costs = (part: keyof Cost) => (measured: Measured) => measured.costs.map((cost) => cost[part]);
const firsts = (part: keyof FirstCost) => (measured: Measured) =>
	measured.firsts.map((first) => first[part]).filter((value) => value !== undefined);
/** Reads values of a delivery. `value` returns undefined to leave a tracker out, for example if events are missing. */
const delivered = (value: (delivery: Delivery) => number | number[] | undefined) => (measured: Measured) =>
	(measured.delivery ? [value(measured.delivery)].flat() : []).filter((each) => each !== undefined);

const costMeasures: Measure[] = [
	{ name: "size, Brotli", unit: "B", values: ({ peer }) => [peer.brotli], target: { atMost: 5_300 } },
	{ name: "CPU until track() returns", unit: "µs", values: costs("sync"), target: { peer: "Amplitude", atMost: 1 } },
	{
		name: "CPU an event, burst of 1,000",
		unit: "µs",
		values: costs("burst"),
		target: { peer: "Umami", atMost: 0.3 },
	},
	{
		name: "CPU an event, bursts of 10",
		unit: "µs",
		values: costs("bursts"),
		target: { peer: "Snowplow", atMost: 0.4 },
	},
	{ name: "CPU of evaluation and start", unit: "ms", values: costs("start") },
];

const firstMeasures: Measure[] = [
	{
		name: "first ten track() of a page",
		unit: "ms",
		values: firsts("sync"),
		target: { peer: "Amplitude", atMost: 1 },
	},
	{ name: "CPU of 8 s in which ten first events are stored and sent", unit: "ms", values: firsts("all") },
	{ name: "longest task meanwhile", unit: "ms", values: firsts("longest") },
	{
		name: "CPU of the script and the first page view, 8 s",
		unit: "ms",
		values: firsts("view"),
		target: { peer: "Plausible", atMost: 1 },
	},
	{
		name: "mean of track() in a burst of 1,000",
		unit: "µs",
		values: firsts("burst"),
		target: { peer: "Amplitude", atMost: 1 },
	},
];

const deliveryMeasures: Measure[] = [
	{
		name: "requests for 50 events in 5 s",
		unit: "",
		values: delivered(({ requests }) => requests),
		target: { atMost: 3 },
	},
	{ name: "body an event", unit: "B", values: delivered(({ bytes }) => bytes), target: { atMost: 110 } },
	{
		name: "requests for 1,000 events at once",
		unit: "",
		values: delivered(({ requestsOf1000, arrivedOf1000 }) => (arrivedOf1000 === 1_000 ? requestsOf1000 : undefined)),
		target: { atMost: 12 },
	},
	{
		name: "not come of 1,000 events at once",
		unit: "",
		values: delivered(({ arrivedOf1000 }) => 1_000 - arrivedOf1000),
		target: { atMost: 0 },
	},
	{ name: "arrived of 50 as the tab closes", unit: "", values: delivered(({ closed }) => closed), betterIs: "higher" },
	{
		name: "lost of 50 as the tab closes, next page included",
		unit: "",
		values: delivered(({ closedThenOpened }) => closedThenOpened.map((came) => 50 - came)),
		target: { atMost: 0 },
	},
	{ name: "sent twice of 50 as the tab closes", unit: "", values: delivered(({ closedTwice }) => closedTwice) },
	{
		name: "lost of 200 after an outage",
		unit: "",
		values: delivered(({ afterOutage }) => 200 - afterOutage),
		target: { atMost: 0 },
	},
	{
		name: "sent twice of 200 after an outage",
		unit: "",
		values: delivered(({ outageTwice }) => outageTwice),
		target: { atMost: 0 },
	},
];

/** Results for eventferry alone and beside each peer. */
function resultsOf(measures: Measure[], all: Measured[]): Result[] {
	const ours = all.find(({ peer }) => peer.name === "eventferry");
	if (!ours) return [];
	return measures.flatMap(({ name, unit, values, target, betterIs = "lower" }): Result[] => {
		const { peer: targetPeer = "", ...bounds } = target ?? {};
		const beside = (theirs: number[], peer: string): Result => ({
			name,
			unit,
			ours: values(ours),
			theirs,
			peer,
			betterIs,
			...(target && targetPeer === peer && { target: bounds }),
		});
		const others = all.filter((other) => other !== ours && values(other).length > 0);
		return [beside([], ""), ...others.map((other) => beside(values(other), other.peer.name))];
	});
}

const isSection = (name: string) => sectionNames.browser.some((section) => section === name);
const peers = await readPeers(positionals.filter((name) => !isSection(name)));
const chromium = await launchChromium();
const all: Measured[] = peers.map((peer) => ({ peer, costs: [], firsts: [], delivery: undefined }));

const sections: Record<string, Section> = {
	async cost(fail) {
		const trackers = new Set(all);
		// Take turns, so that a slower machine slows all trackers.
		for (let round = 1; round <= rounds; round++) {
			const [first] = trackers;
			if (!first) break;
			const without = await emptyCost(chromium, first.peer);
			await measureEach(trackers, `cost, round ${round} of ${rounds}`, fail, async ({ peer, costs }) => {
				costs.push(await cost(chromium, peer, without));
			});
		}
		return resultsOf(costMeasures, [...trackers]);
	},
	async first(fail) {
		const trackers = new Set(all);
		for (let round = 1; round <= rounds; round++)
			await measureEach(trackers, `first events, round ${round} of ${rounds}`, fail, async ({ peer, firsts }) => {
				firsts.push(await firstCost(chromium, peer));
			});
		return resultsOf(firstMeasures, [...trackers]);
	},
	async adopt() {
		const ours = peers.find(({ name }) => name === "eventferry");
		return ours ? adopted(chromium, ours, rounds) : [];
	},
	async delivery(fail) {
		const trackers = new Set(all.filter(({ peer }) => !peer.name.startsWith("bare")));
		const waiting = [...trackers].values();
		// Run two trackers at once: the section mostly waits and times nothing.
		const worker = () =>
			measureEach(
				trackers,
				"delivery",
				fail,
				async (tracker) => {
					tracker.delivery = await delivery(chromium, tracker.peer, rounds);
				},
				waiting,
			);
		await Promise.all([worker(), worker()]);
		return resultsOf(deliveryMeasures, [...trackers]);
	},
	async kill() {
		const ours = peers.find(({ name }) => name === "eventferry");
		if (!ours) return [];
		return (await kills(ours)).map(({ ms, kept }): Result => {
			const name = `lost of 50 when the browser is killed ${ms} ms later, nothing having answered`;
			const result: Result = { name, unit: "", ours: [50 - kept], theirs: [], peer: "", betterIs: "lower" };
			return ms < 1_000 ? result : { ...result, target: { atMost: 0 } };
		});
	},
	async memory() {
		const ours = peers.find(({ name }) => name === "eventferry");
		if (!ours) return [];
		const grown = (await memory(chromium, ours)) / 1e6;
		const name = "memory more after 10,000 events";
		const result: Result = { name, unit: "MB", ours: [grown], theirs: [], peer: "", betterIs: "lower" };
		return [{ ...result, target: { atMost: 1 } }];
	},
} satisfies Record<SectionOf<"browser">, Section>;

const chosen = Object.entries(sections).filter(([name]) => positionals.includes(name) || !positionals.some(isSection));
const versions = { Chromium: chromium.browser.version(), ...versionsOf(peers) };
const isDone = await measure(Object.fromEntries(chosen), { json: values.json, versions });
await chromium.close();
process.exit(isDone ? 0 : 1);
