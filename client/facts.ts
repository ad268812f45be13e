import type { Color, Limits } from "../shared/event.ts";
import { byteLength, checkText, refuse } from "./text.ts";

const dataBytes: Limits["dataBytes"] = 16_384;
const nameLength: Limits["nameLength"] = 120;
const idLength: Limits["idLength"] = 200;

/** Content of an event, before it has an id, a time, a person and a context. */
export interface Fact {
	type: "track" | "login" | "update" | "page" | "confirmation";
	name?: string;
	data?: Record<string, unknown> | undefined;
	color?: Color | undefined;
}

/**
 * Checks and copies what the page handed to a method. The proxy checks the rest, such as the depth of data, and names
 * it in its answer.
 * @throws TypeError with the name of the argument that is wrong.
 */
export function readFact<Given extends Fact>(fact: Given): Given {
	const json = JSON.stringify(fact.data ?? {});
	if (json?.[0] !== "{") refuse("data: not an object");
	if (byteLength(json) > dataBytes) refuse("data: over 16 KB");
	// Copied through JSON, so that later changes by the page do not reach it.
	const data: Fact["data"] = fact.data ? JSON.parse(json) : undefined;
	if (fact.type === "track") checkText(fact.name, nameLength, "name");
	if (fact.type === "confirmation" && typeof data?.orderId !== "number") checkText(data?.orderId, idLength, "orderId");
	return { ...fact, data };
}
