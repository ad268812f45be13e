import { splitName, type Value } from "../attributes.ts";
import type { Scalar } from "../json.ts";

/** Attributes that are fields of a profile's `person`. All others except name and company are custom data. */
const personFields = new Set(["phone", "avatar", "gender", "address", "website"]);

/**
 * Assigns attributes to their paths in Crisp: `{ phone: 1, plan: "pro" }` → `{ "person.phone": "1", "data.plan": "pro" }`.
 * An empty value unsets custom data: https://help.crisp.chat/en/article/how-can-i-automatically-set-custom-data-1xh7pqk.
 * Nothing says how to unset other fields; `leftOut` counts these.
 */
export function attributePaths(attributes: Record<string, Value>): { paths: Record<string, Scalar>; leftOut: number } {
	const { name, rest } = splitName(attributes);
	const paths: Record<string, Scalar> = typeof name === "string" ? { "person.nickname": name } : {};
	let leftOut = name === null ? 1 : 0;
	for (const [attribute, value] of Object.entries(rest)) {
		const isField = personFields.has(attribute) || attribute === "company";
		if (isField && value === null) leftOut += 1;
		// Guard (SECURITY.md): crisp-fields
		else if (personFields.has(attribute)) paths[`person.${attribute}`] = String(value);
		else if (attribute === "company") paths["company.name"] = String(value);
		else paths[`data.${attribute}`] = value ?? "";
	}
	return { paths, leftOut };
}

/** Turns paths into a request's body: `{ "person.phone": "1" }` → `{ person: { phone: "1" } }`. */
export function bodyOf(paths: Record<string, Scalar>): Record<string, Record<string, Scalar>> {
	const result: Record<string, Record<string, Scalar>> = {};
	for (const [path, value] of Object.entries(paths)) {
		const dot = path.indexOf(".");
		const group = path.slice(0, dot);
		result[group] = { ...result[group], [path.slice(dot + 1)]: value };
	}
	return result;
}
