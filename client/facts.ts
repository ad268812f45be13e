import type { Color, Limits } from "../shared/event.ts";
import type { Data } from "./contract.ts";
import { parseJson, toJson } from "./originals.ts";
import { byteLength, checkText, readName, refuse } from "./text.ts";

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
 * Checks and copies the arguments of a tracker's method. Leaves other checks, such as the depth of data, to the proxy,
 * which answers with a rejection.
 * @throws TypeError with the name of the argument that is wrong.
 */
export function readFact<Given extends Fact>(fact: Given): Given {
	const json = toJson(fact.data ?? {});
	if (json?.[0] !== "{") refuse("data: not an object");
	if (byteLength(json) > dataBytes) refuse("data: over 16 KB");
	// Copies through JSON, so that later changes by the page do not reach the event.
	const data: Fact["data"] = fact.data ? (parseJson(json) as typeof fact.data) : undefined;
	let { name } = fact;
	if (fact.type === "track") {
		name = parseJson(toJson(name ?? "")) as string;
		checkText(name, nameLength, "name");
	} else if (fact.type === "confirmation") {
		const orderId = readName(data?.orderId, idLength, "orderId") ?? refuse("orderId: missing");
		Object.assign(data as Data, { orderId });
	}
	return { ...fact, name, data };
}
