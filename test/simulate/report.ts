import { boundsOf } from "./bounds.ts";
import { crispWait } from "./day.ts";
import { classFigures, countBy, destinationFigures } from "./figures.ts";
import type { Delivery } from "./outcome.ts";
import { othersOf } from "./providers.ts";
import type { Evidence, Invariant } from "./verdict.ts";
import { reserve } from "./verdict.ts";
import type { Day } from "./visitors.ts";

/** Records of a day that the report is made of. */
export interface ReportInput extends Omit<Evidence, "arrivals"> {
	deliveries: Delivery[];
	invariants: Invariant[];
	counts: Day["counts"];
	incidents: { title: string; from: number; to: number }[];
	/** Keys of the people whom Crisp knew before the day. */
	knownToCrisp: ReadonlySet<string>;
	visitors: number;
	seed: number;
	/** Whether people were created at Crisp before it was asked for them. */
	createFirst: boolean;
	/** Figures of the same day with `createFirst`; absent if it was not simulated. */
	createdFirst?: CrispFigures | undefined;
	/** Duration in real time. */
	seconds: number;
	/** CPU time. */
	cpuSeconds: number;
	/** Peak memory, in bytes. */
	memory: number;
	/** Number of steps of the simulated clock. */
	steps: number;
}

const number = (value: number) => value.toLocaleString("en");
const share = (part: number, whole: number) =>
	whole === 0 ? "–" : `${((part / whole) * 100).toFixed(part / whole < 0.01 ? 2 : 0)} %`;
const clockTime = (at: number) => new Date(at).toISOString().slice(11, 16);

function table(head: string[], rows: (string | number)[][]): string {
	const line = (cells: (string | number)[]) =>
		`| ${cells.map((cell) => (typeof cell === "number" ? number(cell) : cell)).join(" | ")} |\n`;
	return `${line(head)}|${head.map((_, column) => (column === 0 ? "---" : "--:")).join("|")}|\n${rows.map(line).join("")}\n`;
}

const intro = ({ createFirst, createdFirst, ...input }: ReportInput) => {
	const { visitors, seed, seconds, cpuSeconds, memory, steps } = input;
	const more = `${createFirst ? " --create-first" : ""}${createdFirst ? " --compare" : ""}`;
	return `# A day in the life

\`npm run simulate\` simulates 24 hours of a shop with ${number(visitors)} visitors and accounts for every event. This page is its output with seed ${seed}: \`npm run simulate -- --visitors ${visitors} --seed ${seed}${more} --write docs\`, ${number(Math.round(seconds))} s of real time and ${number(Math.round(cpuSeconds))} s of CPU time, ${(memory / 1e9).toFixed(1)} GB of memory, ${number(steps)} steps of a simulated clock.

![The day](simulation.svg)

**Real**: the built script tag (\`dist/client.js\`), run anew for every page of every visitor; the proxy (\`createProxy\` with Express, ky, and SQLite in its own thread), which gets every request over HTTP and keeps its store in memory if possible; the three providers of the package's own sandbox. **Modelled**: the clock; the parts of a browser that the snippet uses (storage, IndexedDB, locks, fetch), which other tests run in real Chromium; the visitors' behaviour; the network to the proxy (60 ms one way, 0.3 % of requests and 0.3 % of answers lost); the providers' latency of 120 ms. The same seed makes the same visitors. A few events may differ from run to run, because the store's thread is a real one.

`;
};

function theDay({ counts, incidents, ledger, remaining, budgets }: ReportInput): string {
	const { entries } = ledger;
	const fates = countBy(entries, ({ accepted, fate, type }) =>
		accepted
			? type === "page"
				? "accepted by the proxy: page views, which no destination asks for"
				: "accepted by the proxy"
			: (fate ?? "unaccounted for"),
	);
	const { bot, glance, browse, newcomer, member } = counts.visitors;
	const copies = entries.reduce((sum, entry) => sum + entry.copies, 0);
	return `## The day
${number(bot)} bots that run scripts, ${number(glance)} visitors of a single page, ${number(browse)} visitors of several pages, ${number(newcomer)} visitors who log in during the day, ${number(member)} visitors who are logged in from the start; ${number(counts.visits)} visits and ${number(counts.pages)} pages. A quarter of the longer visits use several tabs. Some visitors lose their network, or have a wrong clock, no IndexedDB or no locks; two tabs of a hundred are killed without an event. The proxy is deployed four times. ${incidents
		.filter(({ to, from }) => to - from > 600_000)
		.map(({ title, from, to }) => `${title} from ${clockTime(from)} to ${clockTime(to)}.`)
		.join(
			" ",
		)} Crisp allows ${number(budgets.crisp)} requests a day, and another script uses 3 % of them; HelpCrunch allows ${budgets.helpcrunch} a minute. A forger posts 400 batches of invented people within a minute.

${table(
	["fate of captured events", "events", ""],
	Object.entries(fates).map(([fate, count]) => [fate, count, share(count, entries.length)]),
)}Pages of bots would have captured ${number(counts.byBots)} more events, pages of visitors who had opted out ${number(counts.optedOut)}: none of them was recorded. ${number(copies)} events arrived at the proxy a second time, because an answer was lost or the page was gone before it. All were recognised, and no provider got them twice (\`duplicate\` ${number(remaining.stats.discarded.duplicate ?? 0)}).

`;
}

function theDestinations({ deliveries, seen, budgets }: ReportInput): string {
	const figures = destinationFigures(deliveries, seen, budgets);
	const row = (title: string, value: (figure: (typeof figures)[number]) => string | number) => [
		title,
		...figures.map(value),
	];
	const reasons = (kind: "dead" | "discarded") => [...new Set(figures.flatMap((figure) => Object.keys(figure[kind])))];
	const spent = [...new Set(figures.flatMap((figure) => Object.keys(figure.spent)))];
	return `## At the destinations
${table(
	["", "Crisp", "HelpCrunch", "Vibetrace"],
	[
		row("events meant for it", ({ wanted }) => wanted),
		row("delivered by midnight", ({ delivered, wanted }) => `${number(delivered)} (${share(delivered, wanted)})`),
		row("waiting at midnight", ({ waiting }) => waiting),
		...reasons("dead").map((reason) => row(`dead letters: ${reason}`, ({ dead }) => dead[reason] ?? 0)),
		...reasons("discarded").map((reason) => row(`discarded: ${reason}`, ({ discarded }) => discarded[reason] ?? 0)),
		row("arrived within a minute of capture", ({ within }) => within.minute),
		row("… within an hour", ({ within }) => within.hour),
		row("… later", ({ within }) => within.later),
		row("requests used", ({ requests, allowed }) => `${number(requests)} of ${number(allowed)}`),
		row("requests per delivered event", ({ requests, delivered }) => (requests / Math.max(1, delivered)).toFixed(2)),
		...spent.map((purpose) => row(`requests: ${purpose}`, (figure) => figure.spent[purpose] ?? 0)),
	],
)}Arrival times are known for tracked events, purchases and opened e-mails: providers do not keep the time at which an attribute was set. Dead letters are kept for 30 days and can be replayed. Expired events (\`expired\`) waited for Crisp longer than this shop's \`maxWait\` of ${crispWait / 3_600_000} hours. Events that wait at midnight are delivered on the next day.

`;
}

type Arithmetic = Pick<ReportInput, "deliveries" | "budgets" | "knownToCrisp" | "createFirst">;

/** Compares the deliveries of the day with the bounds of its requests. */
function theArithmetic({ deliveries, budgets, knownToCrisp, createFirst }: Arithmetic): string {
	const own = deliveries.filter(({ destination }) => destination === "crisp");
	const wanted = own.filter(({ outcome }) => outcome.kind !== "discarded");
	const people = new Set(wanted.map(({ entry }) => entry.accepted.person));
	const unknown = [...people].filter((person) => !knownToCrisp.has(person)).length;
	const purchases = wanted.filter(({ entry }) => entry.type === "confirmation");
	const purchasesOf = (trusted: boolean) => {
		const theirs = purchases.filter(({ entry }) => (entry.trusted ?? false) === trusted);
		return `${number(theirs.filter(isDelivered).length)} of ${number(theirs.length)}`;
	};
	const admitted = budgets.crisp - othersOf(budgets.crisp);
	const isDelivered = ({ outcome }: Delivery) => outcome.kind === "delivered";
	const most = boundsOf(wanted, knownToCrisp, admitted, createFirst);
	const withPurchases = most("events", "purchases", 0.9 * purchases.length);
	const isTooMuch = withPurchases < 0.4 * own.length;
	const ofEvents = (count: number) => share(count, own.length);
	const ofPurchases = (count: number) => share(Math.min(count, purchases.length), purchases.length);
	return `The shop tells Crisp of purchases, logins, attributes and browsing (\`events\`), and a rule merges the waiting browsing of a person into a digest (\`digest\`). ${number(people.size)} people have something for Crisp, and ${number(unknown)} of them are unknown there. A known person costs an update and a digest. ${createFirst ? "Everybody costs a creation more" : "An unknown person costs a refused request and a creation more"}; the update remains, as Crisp creates profiles without custom data. Each purchase costs one request more.

The most that ${number(admitted)} requests could deliver, if everybody were served once, at midnight, by somebody who knew the whole day and chose whom to serve, and the deliveries of this day:

${table(
	["", "events", "purchases"],
	[
		["as many events as possible", ofEvents(most("events", "purchases")), "any"],
		["as many purchases as possible", "any", ofPurchases(most("purchases", "events"))],
		["with 90 % of the purchases", ofEvents(withPurchases), "90 %"],
		["with 40 % of the events", "40 %", ofPurchases(most("purchases", "events", 0.4 * own.length))],
		["**delivered**", ofEvents(wanted.filter(isDelivered).length), ofPurchases(purchases.filter(isDelivered).length)],
	],
)}${isTooMuch ? "So no order of service delivers 40 % of the events and 90 % of the purchases together. " : ""}Purchases go first. The proxy stays below these bounds because it delays nothing: at night, when requests are plenty, events go one by one, and what the purchases leave of the day goes to whoever waits. A purchase that a browser told first counts as the backend's once the backend tells of it, if it still waits then. Of the backend's purchases, ${purchasesOf(true)} were delivered the same day; of the others, ${purchasesOf(false)}.`;
}

function theRanks({ deliveries, budgets, knownToCrisp, createFirst }: ReportInput): string {
	const figures = classFigures(deliveries, "crisp");
	return `## Effect of the ranks
Crisp allows ${number(budgets.crisp)} requests on this day, and the shop has more events than that. People with more valuable events had their turn sooner, and the last ${reserve * 100} % of the requests were reserved for the backend's events. The last column shows the same number of deliveries in order of arrival.

${table(
	["at Crisp", "events meant for it", "delivered the same day", "in order of arrival"],
	figures.map(({ title, wanted, delivered, inOrderOfArrival }) => [
		title,
		wanted,
		`${number(delivered)} (${share(delivered, wanted)})`,
		`${number(inOrderOfArrival)} (${share(inOrderOfArrival, wanted)})`,
	]),
)}${theArithmetic({ deliveries, budgets, knownToCrisp, createFirst })}

`;
}

/** Deliveries to Crisp on a day, and the requests for them. */
export interface CrispFigures {
	wanted: number;
	delivered: number;
	purchases: number;
	purchasesDelivered: number;
	requests: number;
	/** Number of requests, by purpose and answer. */
	spent: Record<string, number>;
	/** Number of statements that did not hold. */
	broken: number;
}

export function crispFigures({
	deliveries,
	seen,
	budgets,
	invariants,
}: Omit<ReportInput, "createdFirst">): CrispFigures {
	const [crisp] = destinationFigures(deliveries, seen, budgets).filter(({ name }) => name === "crisp");
	const [purchases] = classFigures(deliveries, "crisp");
	const { wanted = 0, delivered = 0, requests = 0, spent = {} } = crisp ?? {};
	const ofPurchases = { purchases: purchases?.wanted ?? 0, purchasesDelivered: purchases?.delivered ?? 0 };
	const broken = invariants.filter((each) => each.broken.length > 0).length;
	return { wanted, delivered, ...ofPurchases, requests, spent, broken };
}

function theCreations(input: ReportInput): string {
	if (!input.createdFirst) return "";
	const days = [crispFigures(input), input.createdFirst];
	const spent = [...new Set(days.flatMap((each) => Object.keys(each.spent)))];
	return `## With creations first
The same visitors on a day with Crisp's \`createFirst\`, by which people of whom nothing is remembered are created before Crisp was asked for them ([when to use it](providers.md#new-people-at-crisp)). Somebody unknown costs one request less, a known person one more.

${table(
	["at Crisp", "as by default", "with `createFirst`"],
	[
		[
			"delivered the same day",
			...days.map((each) => `${number(each.delivered)} (${share(each.delivered, each.wanted)})`),
		],
		[
			"purchases delivered the same day",
			...days.map((each) => `${number(each.purchasesDelivered)} (${share(each.purchasesDelivered, each.purchases)})`),
		],
		["requests used", ...days.map((each) => each.requests)],
		["requests per delivered event", ...days.map((each) => (each.requests / Math.max(1, each.delivered)).toFixed(2))],
		...spent.map((purpose) => [`requests: ${purpose}`, ...days.map((each) => each.spent[purpose] ?? 0)]),
	],
)}${input.createdFirst.broken === 0 ? "All that is listed below held on that day too." : `**BROKEN**: ${input.createdFirst.broken} of the statements below did not hold on that day.`}

`;
}

const theInvariants = ({ invariants }: ReportInput) => `## What must be true of every day
${invariants
	.map(
		({ statement, checked, broken }) =>
			`- ${broken.length === 0 ? "holds" : "**BROKEN**"}: ${statement} (${number(checked)} checked)${broken.map((each) => `\n  - ${each}`).join("")}\n`,
	)
	.join("")}`;

/** Formats the day as a Markdown page. */
export const report = (input: ReportInput): string =>
	[intro, theDay, theDestinations, theRanks, theCreations, theInvariants].map((part) => part(input)).join("");
