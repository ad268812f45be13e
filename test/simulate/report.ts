import { crispWait } from "./day.ts";
import { classFigures, countBy, destinationFigures } from "./figures.ts";
import type { Delivery } from "./outcome.ts";
import type { Evidence, Invariant } from "./verdict.ts";
import { reserve } from "./verdict.ts";
import type { Day } from "./visitors.ts";

export interface Told extends Omit<Evidence, "arrivals"> {
	deliveries: Delivery[];
	invariants: Invariant[];
	counts: Day["counts"];
	incidents: { what: string; from: number; to: number }[];
	visitors: number;
	seed: number;
	/** Real ones, and those of CPU. */
	seconds: number;
	cpuSeconds: number;
	/** The most memory it took, bytes. */
	memory: number;
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

const intro = ({ visitors, seed, seconds, cpuSeconds, memory, steps }: Told) => `# A day in the life

\`npm run simulate\` lives through 24 hours of a shop with ${number(visitors)} visitors and counts what became of every event. This page is what it printed with seed ${seed}: \`npm run simulate -- --visitors ${visitors} --seed ${seed} --write docs\`, ${number(Math.round(seconds))} s of real time and ${number(Math.round(cpuSeconds))} s of CPU, ${(memory / 1e9).toFixed(1)} GB of memory, ${number(steps)} steps of a simulated clock.

![The day](simulation.svg)

**Real**: the script tag's file as it is shipped (\`dist/client.js\`), run anew for every page of every visitor; the proxy (\`createProxy\`, SQLite in its own thread, on a folder in memory where there is one, Express, ky), every request over HTTP; the three providers are the package's own sandbox. **Modelled**: the clock; the page around the snippet (storage, IndexedDB, locks, fetch: as much of it as the snippet uses; what real browsers do is tested in Chromium); what visitors do; the way to the proxy (60 ms, 0.3 % of requests and as many answers lost); providers answer in 120 ms. The same seed makes the same visitors; a few events may differ from run to run, as the store's thread is a real one.

`;

function theDay({ counts, incidents, ledger, left, budgets }: Told): string {
	const { entries } = ledger;
	const fates = countBy(entries, ({ accepted, fate, type }) =>
		accepted
			? type === "page"
				? "accepted by the proxy: page views, which no destination asked for"
				: "accepted by the proxy"
			: (fate ?? "nowhere"),
	);
	const { bot, glance, browse, newcomer, member } = counts.visitors;
	const copies = entries.reduce((sum, entry) => sum + entry.copies, 0);
	return `## The day
${number(bot)} bots that run scripts, ${number(glance)} visitors of one page, ${number(browse)} who look around, ${number(newcomer)} who log in some time today, ${number(member)} who are logged in when they come; ${number(counts.visits)} visits, ${number(counts.pages)} pages, a quarter of the longer visits in several tabs. Some lose their network, have a wrong clock, no IndexedDB or no locks; two of a hundred pages are killed without being told. The proxy is deployed anew four times. ${incidents
		.filter(({ to, from }) => to - from > 600_000)
		.map(({ what, from, to }) => `${what} from ${clockTime(from)} to ${clockTime(to)}.`)
		.join(
			" ",
		)} Crisp takes ${number(budgets.crisp)} requests a day, of which a script of somebody else uses 3 %; HelpCrunch takes ${budgets.helpcrunch} a minute. A forger posts 400 batches of invented people in a minute.

${table(
	["what became of what was captured", "events", ""],
	Object.entries(fates).map(([fate, count]) => [fate, count, share(count, entries.length)]),
)}Bots' own pages would have captured ${number(counts.byBots)} more, visitors who had opted out ${number(counts.optedOut)}: none of it was recorded. ${number(copies)} events came to the proxy a second time, as a page was gone before it had the answer or an answer was lost; all were recognised, and no provider saw them twice (\`duplicate\` ${number(left.stats.discarded.duplicate ?? 0)}).

`;
}

function theDestinations({ deliveries, seen, budgets }: Told): string {
	const figures = destinationFigures(deliveries, seen, budgets);
	const each = (what: string, of: (figure: (typeof figures)[number]) => string | number) => [what, ...figures.map(of)];
	const reasons = (kind: "dead" | "discarded") => [...new Set(figures.flatMap((figure) => Object.keys(figure[kind])))];
	const spent = [...new Set(figures.flatMap((figure) => Object.keys(figure.spent)))];
	return `## At the destinations
${table(
	["", "Crisp", "HelpCrunch", "Vibetrace"],
	[
		each("events for it", ({ wanted }) => wanted),
		each("delivered by midnight", ({ delivered, wanted }) => `${number(delivered)} (${share(delivered, wanted)})`),
		each("waiting at midnight", ({ waiting }) => waiting),
		...reasons("dead").map((reason) => each(`dead letters: ${reason}`, ({ dead }) => dead[reason] ?? 0)),
		...reasons("discarded").map((reason) => each(`discarded: ${reason}`, ({ discarded }) => discarded[reason] ?? 0)),
		each("came within a minute of capture", ({ within }) => within.minute),
		each("… within an hour", ({ within }) => within.hour),
		each("… later", ({ within }) => within.later),
		each("requests used", ({ requests, allowed }) => `${number(requests)} of ${number(allowed)}`),
		each("requests per delivered event", ({ requests, delivered }) => (requests / Math.max(1, delivered)).toFixed(2)),
		...spent.map((what) => each(`requests: ${what}`, (figure) => figure.spent[what] ?? 0)),
	],
)}Times are those of tracked events, purchases and opened e-mails: providers do not say when an attribute was set. Dead letters are kept for 30 days and can be replayed; here they are what waited for Crisp longer than this shop's \`maxWait\` of ${crispWait / 3_600_000} hours (\`expired\`). What waits at midnight goes on tomorrow.

`;
}

function theRanks({ deliveries, budgets }: Told): string {
	const figures = classFigures(deliveries, "crisp");
	return `## What the ranks save
Crisp's day has room for ${number(budgets.crisp)} requests, and the shop has more events than that. A person with something that is worth more had their turn sooner, and the last ${reserve * 100} % were kept for what the backend sent. The last column is what the same number of deliveries, in order of arrival, would have been.

${table(
	["at Crisp", "for it", "delivered the same day", "in order of arrival"],
	figures.map(({ what, wanted, delivered, inOrderOfArrival }) => [
		what,
		wanted,
		`${number(delivered)} (${share(delivered, wanted)})`,
		`${number(inOrderOfArrival)} (${share(inOrderOfArrival, wanted)})`,
	]),
)}Why not more of the purchases: order within a person comes first, so a purchase waits for what the same person did before it, and the reserve is open only where a person's next event is the backend's. And a person whom Crisp does not know costs three requests for their first event: one that is refused, one that creates them, and the event. A shop this far over its quota should choose what Crisp gets (\`events: ["confirmation", "login"]\`).

`;
}

const theInvariants = ({ invariants }: Told) => `## What must be true of every day
${invariants
	.map(
		({ what, checked, broken }) =>
			`- ${broken.length === 0 ? "holds" : "**BROKEN**"}: ${what} (${number(checked)} checked)${broken.map((each) => `\n  - ${each}`).join("")}\n`,
	)
	.join("")}`;

/** The day as a page of text. */
export const report = (told: Told): string =>
	[intro, theDay, theDestinations, theRanks, theInvariants].map((part) => part(told)).join("");
