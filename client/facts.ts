import type { Color, Limits } from "../shared/event.ts";
import { attempt } from "./attempt.ts";
import type { Data, OrderInput } from "./contract.ts";
import { parseJson, toJson } from "./originals.ts";
import { byteLength, checkText, readName, refuse } from "./text.ts";

const dataBytes: Limits["dataBytes"] = 16_384;
const nameLength: Limits["nameLength"] = 120;
const idLength: Limits["idLength"] = 200;

/** Content of an event, before it has an id, a time, a person and a context. */
export interface Fact {
	name?: string;
	data?: Data | null | undefined;
	color?: Color | undefined;
}

/**
 * Checks and copies data. Leaves other checks, such as its depth, to the proxy, which answers with a rejection.
 * @throws TypeError if it is no JSON object or too large.
 */
export const copyData = (data: Fact["data"]): Data | undefined => {
	const json = toJson(data ?? {});
	if (json?.[0] !== "{") refuse("data: not an object");
	if (byteLength(json) > dataBytes) refuse("data: over 16 KB");
	// Copies through JSON, so that later changes by the page do not reach the event.
	return data ? (parseJson(json) as Data) : undefined;
};

/** Reads the name of a `track()`. @throws TypeError if it is no printable text of 1 to 120 characters. */
export const readEventName = (name: unknown): string => checkText(parseJson(toJson(name ?? "")), nameLength, "name");

/** Reads attributes of a person. PHP writes an empty array for an object without fields. */
export const readAttributes = (attributes: Fact["data"]): Fact["data"] =>
	toJson(attributes) === "[]" ? {} : attributes;

/**
 * Reads a purchase. Leaves out what JSON cannot say, so that the purchase is kept.
 * @throws TypeError if it has no `orderId`.
 */
export const readOrder = (order: OrderInput): Data => {
	const data: Data = {};
	for (const key in order) {
		attempt(() => {
			toJson(order[key]);
			data[key] = order[key];
		});
	}
	data.orderId = readName(order?.orderId, idLength, "orderId") ?? refuse("orderId: missing");
	return data;
};
