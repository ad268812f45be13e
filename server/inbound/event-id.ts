import { hash } from "node:crypto";

/** Derives a UUIDv7 from a time, ms, and a text, so that a repeated report makes the same id. */
export function eventId(at: number, from: string): string {
	const time = Math.max(0, Math.floor(at)).toString(16).padStart(12, "0").slice(-12);
	const random = hash("sha256", from, "hex");
	const variant = ((Number.parseInt(random.slice(3, 4), 16) & 0x3) | 0x8).toString(16);
	const hex = `${time}7${random.slice(0, 3)}${variant}${random.slice(4, 19)}`;
	return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
