import type { Color, Limits } from "../shared/event.ts";
import { byteLength, checkText, refuse } from "./text.ts";

const dataBytes: Limits["dataBytes"] = 16_384;
const dataDepth: Limits["dataDepth"] = 5;
const nameLength: Limits["nameLength"] = 120;
const idLength: Limits["idLength"] = 200;

const colors = "red orange yellow green blue purple pink brown grey black".split(" ");

/** What a call of the tracker says, before it is known who did it, when and where. */
export interface Fact {
	type: "track" | "login" | "update" | "page" | "confirmation";
	name?: string;
	data?: Record<string, unknown>;
	color?: Color;
}

function checkLevel(value: unknown, depth: number): void {
	if (typeof value !== "object" || !value) return;
	if (depth > dataDepth) refuse("data: over 5 deep");
	for (const [key, inner] of Object.entries(value)) {
		if (/^(__proto__|constructor|prototype)$/.test(key)) refuse("data: forbidden key");
		checkLevel(inner, depth + 1);
	}
}

/** A copy that later changes on the page cannot reach. */
function copy(data: unknown): Record<string, unknown> | undefined {
	if (data == null) return undefined;
	const json = JSON.stringify(data) ?? "";
	if (json[0] !== "{") refuse("data: not a JSON object");
	if (json.length * 3 > dataBytes && byteLength(json) > dataBytes) refuse("data: over 16 KB");
	const copied = JSON.parse(json);
	checkLevel(copied, 1);
	return copied;
}

/** Checks and copies what the page handed in; throws a TypeError that says what is wrong with it. */
export function readFact(fact: Fact): Fact {
	const data = copy(fact.data);
	const { type, name, color } = fact;
	if (type === "track") checkText(name, nameLength, "name");
	if (type === "confirmation" && typeof data?.orderId !== "number") checkText(data?.orderId, idLength, "orderId");
	if (color !== undefined && !colors.includes(color)) refuse("color: unknown");
	return { ...fact, data };
}
