import { splitName, type Value } from "../attributes.ts";
import type { Scalar } from "../json.ts";

/** Attributes that are fields of a customer. All others except name and locale are custom data. */
const customerFields = new Set(["phone", "company"]);

/** Reads the ISO 639-1 code that HelpCrunch takes: `en-GB` → `en`. Undefined if there is none. */
const languageOf = (value: Scalar) => /^([a-z]{2})(?:[-_]|$)/i.exec(String(value))?.[1]?.toLowerCase();

/**
 * Assigns attributes to fields of a customer: `{ phone: 1, plan: "pro" }` → `{ phone: "1", "customData.plan": "pro" }`.
 * Null clears a field: https://docs.helpcrunch.com/en/rest-api-v1/update-customer-v1
 */
export function fieldsOf(attributes: Record<string, Value>): Record<string, Value> {
	const { name, rest } = splitName(attributes);
	const fields: Record<string, Value> = name === undefined ? {} : { name };
	for (const [attribute, value] of Object.entries(rest)) {
		const language = attribute === "locale" && value !== null ? languageOf(value) : undefined;
		if (language !== undefined) fields.locale = language;
		else if (value === null && (attribute === "locale" || customerFields.has(attribute))) fields[attribute] = null;
		// Guard (SECURITY.md): helpcrunch-fields
		else if (customerFields.has(attribute)) fields[attribute] = String(value);
		else fields[`customData.${attribute}`] = value;
	}
	return fields;
}

/** Turns fields into a request's body: `{ "customData.plan": "pro" }` → `{ customData: [{ property: "plan", value: "pro" }] }`. */
export function customerBody(fields: Record<string, Value>): Record<string, unknown> {
	const custom = Object.entries(fields).filter(([name]) => name.startsWith("customData."));
	const own = Object.entries(fields).filter(([name]) => !name.startsWith("customData."));
	const customData = custom.map(([name, value]) => ({ property: name.slice("customData.".length), value }));
	return { ...Object.fromEntries(own), customData: custom.length > 0 ? customData : undefined };
}
