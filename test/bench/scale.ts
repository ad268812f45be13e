import { medianOf } from "./print.ts";
import type { Measured } from "./record.ts";

const prefix = "a million events: ";

/** Table of what a million events cost on each store; empty where it has not been measured. */
function table({ server, postgres }: Measured): string {
	const all = [server, postgres].map((bench) => bench?.sections.million?.results ?? []);
	const names = [...new Set(all.flat().map(({ name }) => name))];
	if (names.length === 0) return "";
	const cell = (name: string, results: (typeof all)[number]) => {
		const found = results.find((result) => result.name === name);
		return found ? medianOf(found.ours, found.unit) : "–";
	};
	const rows = names.map(
		(name) => `| ${name.slice(prefix.length)} | ${all.map((results) => cell(name, results)).join(" | ")} |\n`,
	);
	return `| a million events | SQLite | PostgreSQL |\n|---|---|---|\n${rows.join("")}`;
}

/** Puts the latest figures of a million events into docs/scale.md. Leaves them if there are none. */
export const withMillion = (scale: string, measured: Measured): string =>
	scale.replace(
		/(<!-- measured: npm run docs -->\n)[\s\S]*?(<!-- \/measured -->)/,
		(before, from: string, to: string) => {
			const rows = table(measured);
			return rows === "" ? before : `${from}\n${rows}\n${to}`;
		},
	);
