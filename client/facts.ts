import type { Color, Limits } from "../shared/event.ts";
import { byteLength, checkText, refuse } from "./text.ts";

const dataBytes: Limits["dataBytes"] = 16_384;
const nameLength: Limits["nameLength"] = 120;
const idLength: Limits["idLength"] = 200;

/** What a call of the tracker says, before it is known who did it, when and where. */
export interface Fact {
	type: "track" | "login" | "update" | "page" | "confirmation";
	name?: string;
	data?: Record<string, unknown> | undefined;
	color?: Color | undefined;
}

/**
 * Checks and copies what the page handed in; throws a TypeError that says what is wrong with it. The finer points,
 * such as the depth of data, are left to the proxy, which names them in its answer.
 */
export function readFact<Given extends Fact>(fact: Given): Given {
	const json = JSON.stringify(fact.data ?? {});
	if (json?.[0] !== "{") refuse("data: not an object");
	if (byteLength(json) > dataBytes) refuse("data: over 16 KB");
	// A copy that later changes on the page cannot reach.
	const data: Fact["data"] = fact.data ? JSON.parse(json) : undefined;
	if (fact.type === "track") checkText(fact.name, nameLength, "name");
	if (fact.type === "confirmation" && typeof data?.orderId !== "number") checkText(data?.orderId, idLength, "orderId");
	return { ...fact, data };
}
