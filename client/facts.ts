import type { Color, Limits } from "../shared/event.ts";
import { byteLength, checkText, refuse } from "./text.ts";

const dataBytes: Limits["dataBytes"] = 16_384;
const dataDepth: Limits["dataDepth"] = 5;
const nameLength: Limits["nameLength"] = 120;
const idLength: Limits["idLength"] = 200;

const colors = "red orange yellow green blue purple pink brown grey black";

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
		if (/^(__proto__|constructor|prototype)$/.test(key)) refuse("data: unsafe key");
		checkLevel(inner, depth + 1);
	}
}

/** A copy that later changes on the page cannot reach. */
function copy(data: unknown): Record<string, unknown> | undefined {
	if (data == null) return undefined;
	const json = JSON.stringify(data) ?? "";
	if (json[0] !== "{") refuse("data: no JSON object");
	if (byteLength(json) > dataBytes) refuse("data: over 16 KB");
	const copied = JSON.parse(json);
	checkLevel(copied, 1);
	return copied;
}

const isNumber = (value: unknown) => typeof value === "number";

function checkOrder({ orderId, total = 0, items = [] }: Record<string, unknown> = {}): void {
	if (!isNumber(orderId)) checkText(orderId, idLength, "orderId");
	if (!isNumber(total)) refuse("total: not a number");
	const isItem = (item?: Record<string, unknown>) =>
		isNumber(item?.quantity) && (isNumber(item?.id) || typeof item?.id === "string");
	if (!Array.isArray(items) || !items.every(isItem)) refuse("items: without id or quantity");
}

/** Checks and copies what the page handed in; throws a TypeError that says what is wrong with it. */
export function readFact<Given extends Fact>(fact: Given): Given {
	const data = copy(fact.data);
	const { type, name, color } = fact;
	if (type === "track") checkText(name, nameLength, "name");
	if (type === "confirmation") checkOrder(data);
	if (color !== undefined && !colors.split(" ").includes(color)) refuse("unknown color");
	return { ...fact, data };
}
