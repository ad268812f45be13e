import { stripVTControlCharacters } from "node:util";

/** Matches control and bidirectional characters, which could move a terminal's cursor or reverse a line. */
// Guard (SECURITY.md): terminal-text
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Length up to which escape sequences are removed whole; looking for them takes quadratic time. */
const sequencesMost = 1_000;

/** Removes escape sequences of short foreign text, and replaces other control characters. */
export const visible = (text: string): string =>
	(text.length > sequencesMost ? text : stripVTControlCharacters(text)).replaceAll(unsafe, "\ufffd");
/** Replaces control characters other than line breaks, whoever wrote them. */
const lines = (text: string): string => text.replaceAll(unsafe, (found) => (found === "\n" ? found : "\ufffd"));

export const out = (text: string) => void process.stdout.write(lines(text));
export const err = (text: string) => void process.stderr.write(lines(text));

/** Escapes each UTF-16 unit of a character, as JSON does. */
const escaped = (found: string) =>
	found
		.split("")
		.map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
		.join("");
/** Prints a value as one line of JSON, with control characters escaped. */
export const outJson = (value: unknown) => out(`${JSON.stringify(value).replaceAll(unsafe, escaped)}\n`);

const cut = (text: string, width: number) => (text.length > width ? `${text.slice(0, width - 1)}…` : text);

export interface Column<Row> {
	title: string;
	width: number;
	value(row: Row): string | number | undefined;
}

/** Formats numbers with commas. Made at its first use, as it takes 3 ms, and `serve` never comes to it. */
let number: Intl.NumberFormat | undefined;
const grouped = (value: number): string => {
	number ??= new Intl.NumberFormat("en-US");
	return number.format(value);
};
const cell = (value: string | number | undefined, width: number) =>
	typeof value === "number" ? grouped(value).padStart(width) : cut(visible(value ?? ""), width).padEnd(width);

/** Formats rows under titles, with columns two spaces apart and numbers aligned right. */
export function table<Row>(columns: Column<Row>[], rows: Row[], { titles = true } = {}): string {
	const isNumber = ({ value }: Column<Row>) => rows.length > 0 && rows.every((row) => typeof value(row) === "number");
	const head = columns.map((column) =>
		isNumber(column) ? column.title.padStart(column.width) : column.title.padEnd(column.width),
	);
	const body = rows.map((row) => columns.map(({ value, width }) => cell(value(row), width)));
	return [...(titles ? [head] : []), ...body].map((cells) => `${cells.join("  ").trimEnd()}\n`).join("");
}

/** Formats a time in UTC: `2025-11-24 18:30`. */
export const minuteOf = (at: number): string => new Date(at).toISOString().slice(0, 16).replace("T", " ");

/** Formats a duration in its largest unit: `3 min`. */
export function duration(ms: number): string {
	for (const [unit, name] of [
		[86_400_000, "d"],
		[3_600_000, "h"],
		[60_000, "min"],
		[1_000, "s"],
	] as const) {
		if (ms >= unit) return `${grouped(Math.floor(ms / unit))} ${name}`;
	}
	return `${Math.max(0, Math.round(ms))} ms`;
}

/** Formats a count with its noun: `1 dead letter`, `1,200 dead letters`. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
	`${grouped(count)} ${count === 1 ? one : many}`;

/** Wraps words at 78 columns, indented by two spaces, and by `more` further spaces from the second line on. */
export function wrapped(words: readonly string[], more = 0): string {
	const lines: string[] = [];
	let line = " ";
	for (const word of words) {
		if (`${line} ${word}`.length > 78 && line.trim() !== "") {
			lines.push(line);
			line = " ".repeat(1 + more);
		}
		line += ` ${word}`;
	}
	return [...lines, line].map((each) => `${each}\n`).join("");
}
