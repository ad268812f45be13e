import { limits } from "../../shared/event.ts";

type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json =>
	typeof value === "object" && value !== null && !Array.isArray(value);

/** Texts of missing values, which name nobody. */
const nobody = new Set(["", "undefined", "null", "NaN", "[object Object]"]);
const decimal = /^-?\d+(?:\.\d+)?$/;

/**
 * Changes fields of an object in a copy; undefined removes a field. Returns the object itself if nothing changes, so that
 * the bytes of an event that was right can be stored as they came.
 */
function changed(object: Json, changes: Json): Json {
	let copy: Json | undefined;
	for (const name in changes) {
		const value = changes[name];
		if (value === object[name]) continue;
		copy ??= { ...object };
		if (value === undefined) delete copy[name];
		else copy[name] = value;
	}
	return copy ?? object;
}

/** Removes the fields of an object that are null. Null itself becomes undefined. */
function withoutNulls(value: unknown): unknown {
	if (!isObject(value)) return value ?? undefined;
	const nulls: Json = {};
	for (const name in value) if (value[name] === null) nulls[name] = undefined;
	return changed(value, nulls);
}

/** Makes text without white space around it of an id. Undefined if it names nobody. */
function tidyId(id: unknown): unknown {
	if (typeof id === "number" && Number.isFinite(id)) return String(id);
	if (typeof id !== "string") return id ?? undefined;
	const trimmed = id.trim();
	if (nobody.has(trimmed)) return undefined;
	// Other white space than ASCII stays, so that the id is refused: somebody else's could look the same.
	return /[^\0-\x7f]/.test(id.replace(trimmed, "")) ? id : trimmed;
}

/** Reads a number that may be text. Undefined if it is neither, or too large a number. */
function amount(value: unknown): number | undefined {
	const read = typeof value === "string" && decimal.test(value.trim()) ? Number(value) : value;
	return typeof read === "number" && Number.isFinite(read) ? read : undefined;
}

/** Tells whether a value has more levels than are left, without looking further. */
const isDeeper = (value: unknown, levels: number): boolean =>
	typeof value === "object" &&
	value !== null &&
	(levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1)));

/** Makes a list without the items that have no readable id or quantity. Undefined if the value is no list. */
function tidyItems(items: unknown): unknown[] | undefined {
	if (!Array.isArray(items)) return undefined;
	const read = items.map((item) => {
		// An item is within a list, within the data.
		if (
			!isObject(item) ||
			isDeeper(item, limits.dataDepth - 2) ||
			(typeof item.id !== "string" && typeof item.id !== "number")
		)
			return undefined;
		const quantity = amount(item.quantity);
		const isAmount = typeof item.price === "string" || typeof item.price === "number";
		const price = isAmount ? amount(item.price) : (item.price ?? undefined);
		return quantity === undefined ? undefined : changed(item, { quantity, price });
	});
	return read.every((item, index) => item === items[index]) ? items : read.filter((item) => item !== undefined);
}

/** Brings the data of a purchase, as programs write it, into the form of the schema. */
export function tidyOrder(order: unknown): unknown {
	if (!isObject(order)) return order ?? undefined;
	const { orderId, total, items } = order;
	return changed(order, { orderId: tidyId(orderId), total: amount(total), items: tidyItems(items) });
}

/** Brings the names of a person, as programs write them, into the form of the schema. */
export function tidyPerson(person: unknown): unknown {
	const named = withoutNulls(person);
	if (!isObject(named)) return named;
	const { email, userId, anonymousId, ids } = named;
	const isNobody = typeof email === "string" && nobody.has(email.trim());
	return changed(named, {
		email: isNobody ? undefined : email,
		userId: tidyId(userId),
		anonymousId: tidyId(anonymousId),
		ids: withoutNulls(ids),
	});
}

const isTidyId = (id: unknown): boolean =>
	id === undefined || (typeof id === "string" && id.trim().length === id.length && !nobody.has(id));

/** Tells whether `tidyEvent` would change nothing in an event, provided that the schema accepts it as it is. */
export function isTidy(raw: unknown): boolean {
	if (!isObject(raw) || raw.type === "confirmation" || !isObject(raw.person)) return false;
	const { userId, anonymousId } = raw.person;
	return isTidyId(userId) && isTidyId(anonymousId);
}

/**
 * Brings an event, as programs write it, into the form of the schema: null in optional places is absent, numbers may be
 * ids and decimal text may be a number. Parts of a purchase that cannot be read are left out, so that the purchase is
 * kept. Changes copies; all else is left to the checks.
 */
export function tidyEvent(raw: unknown): unknown {
	if (!isObject(raw)) return raw;
	const { name, color, data } = raw;
	return changed(raw, {
		person: tidyPerson(raw.person),
		name: name ?? undefined,
		color: color ?? undefined,
		context: withoutNulls(raw.context),
		data: raw.type === "confirmation" ? tidyOrder(data) : (data ?? undefined),
	});
}
