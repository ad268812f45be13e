import * as z from "zod";

const hint = "must be a number of bytes, or a number with k, M or G of 1,024, for example 512M or 4G";
const units = ["", "k", "m", "g"];

/** Reads a size such as `4G`; returns anything else unchanged, for the schema to refuse. */
function read(value: string | number): unknown {
	const [, digits, unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?\s*$/i.exec(String(value)) ?? [];
	return digits === undefined ? value : Math.floor(Number(digits) * 1_024 ** units.indexOf(unit.toLowerCase()));
}

/** Makes the schema of a size in bytes, of at least `least`. */
export const size = (least: number, tooSmall: string) =>
	z.union([z.string(), z.number()], hint).transform(read).pipe(z.int(hint).min(least, tooSmall));
