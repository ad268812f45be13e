import { benches } from "./benches.ts";
import { medianOf, targetText, verdictOf } from "./print.ts";
import type { Measured } from "./record.ts";
import { isMet, judged, median, type Result } from "./result.ts";

/** Names of the results that the README shows, by bench: at most ten, of what users pay for. */
const shown: Record<string, RegExp> = {
	browser:
		/^(first ten track|CPU of the script and the first page view|requests for 50|lost of 50 as the tab|lost of 200)/,
	server: /^(delivery, \d destinations: CPU a request|post to provider.*)$/,
	queues: /^(durable ingest, eventferry on SQLite: CPU|delivered in each person's order|CPU for a delivered event)/,
};

const resultsOf = (measured: Measured, name: string): Result[] =>
	Object.values(measured[name]?.sections ?? {}).flatMap(({ results }) => results);

/** Table row with our median, and the peers' medians from the best to the worst. */
function line(name: string, all: Result[]): string {
	const [{ unit, ours, betterIs }] = all as [Result];
	const peers = all
		.filter(({ theirs }) => theirs.length > 0)
		.toSorted((a, b) => (median(a.theirs) - median(b.theirs)) * (betterIs === "lower" ? 1 : -1))
		.map(({ peer, theirs }) => `${peer}: ${medianOf(theirs, "")}`);
	return `| ${unit ? `${name}, ${unit}` : name} | ${medianOf(ours, "")} | ${peers.join("; ")} |\n`;
}

/** Table row with a ratio and its target. */
const ratio = (result: Result): string =>
	`| ${result.name} | ${medianOf(judged(result), "")} × ${result.peer} | asked for ${targetText(result.target ?? {})}: ${verdictOf(result).toLowerCase()} |\n`;

function figures(measured: Measured): string {
	const targeted = Object.keys(benches).flatMap((name) => resultsOf(measured, name).filter(({ target }) => target));
	const met = targeted.filter((result) => isMet(result)).length;
	const lines = Object.entries(shown).flatMap(([bench, names]) =>
		[
			...Map.groupBy(
				resultsOf(measured, bench).filter(({ name }) => names.test(name)),
				({ name }) => name,
			),
		].flatMap(([name, all]) => {
			const withPeer = all.filter(({ peer }) => peer !== "");
			return withPeer.length > 1 ? [line(name, all)] : withPeer.filter(({ target }) => target).map(ratio);
		}),
	);
	return `| \`npm run bench\`, medians of one run | eventferry | beside |
|---|---|---|
${lines.join("")}
${met} of its ${targeted.length} targets are met. [docs/benchmarks.md](docs/benchmarks.md), in the repository, has all of them with their spreads, those that are missed, and what others do better. Only ratios within one run mean anything.
`;
}

/** Puts the latest figures into the README's text. */
export const withFigures = (readme: string, measured: Measured): string =>
	readme.replace(
		/(<!-- measured: npm run docs -->\n)[\s\S]*?(<!-- \/measured -->)/,
		(_, from: string, to: string) => `${from}\n${figures(measured)}\n${to}`,
	);
