import type { Person } from "../../../shared/event.ts";
import { splitName } from "../attributes.ts";
import type { Scalar } from "../provider.ts";

/** What tells people apart there: userIds are unique, e-mails are not. */
export const whoIs = ({ userId, email }: Person) => (userId !== undefined ? `userId:${userId}` : `email:${email}`);

/** An address of a person there: a searchable field and its value. */
export interface Address {
	field: "customers.userId" | "customers.email";
	value: string;
}

export function addressesOf({ userId, email }: Person): Address[] {
	const addresses: Address[] = [];
	if (userId !== undefined) addresses.push({ field: "customers.userId", value: userId });
	if (email !== undefined) addresses.push({ field: "customers.email", value: email });
	return addresses;
}

interface Customer {
	id: number;
	userId?: unknown;
	email?: unknown;
	lastSeen?: unknown;
}

export const isCustomer = (value: unknown): value is Customer =>
	typeof value === "object" && value !== null && "id" in value && Number.isSafeInteger(value.id);

const isBlank = (value: unknown) => value === undefined || value === null || value === "";

/**
 * Whether a customer found by an address is the person, as far as the answer tells: a filter that was not
 * heard finds everybody, and somebody with another userId is somebody else.
 */
export function isPerson({ userId, email }: Customer, person: Person, { field, value }: Address): boolean {
	const isSame = person.userId !== undefined && String(userId) === person.userId;
	if (field === "customers.userId") return userId === undefined || isSame;
	const isOther = person.userId !== undefined && !isBlank(userId) && !isSame;
	return !isOther && (email === undefined || String(email).toLowerCase() === value.toLowerCase());
}

/** E-mails are not unique in HelpCrunch: the same userId wins, else who was seen last, else the lowest id. */
export function pick(customers: Customer[], person: Person): Customer | undefined {
	const same = customers.filter(({ userId }) => person.userId !== undefined && String(userId) === person.userId);
	const seen = ({ lastSeen }: Customer) => Number(lastSeen ?? 0) || 0;
	return (same.length > 0 ? same : customers).toSorted((a, b) => seen(b) - seen(a) || a.id - b.id)[0];
}

/** Attributes that are fields of a customer; all others are custom data. */
const customerFields = new Set(["phone", "company"]);

/** `en-GB` → `en`: a customer's locale is ISO 639-1 there. What is no such thing is custom data. */
const languageOf = (value: Scalar) => /^([a-z]{2})(?:[-_]|$)/i.exec(String(value))?.[1]?.toLowerCase();

export function place(attributes: Record<string, Scalar>): Record<string, Scalar> {
	const placed: Record<string, Scalar> = {};
	const { name, rest } = splitName(attributes);
	if (name !== undefined) placed.name = name;
	for (const [attribute, value] of Object.entries(rest)) {
		const language = attribute === "locale" ? languageOf(value) : undefined;
		if (language !== undefined) placed.locale = language;
		else if (customerFields.has(attribute)) placed[attribute] = String(value);
		else placed[`customData.${attribute}`] = value;
	}
	return placed;
}

export function customerBody(placed: Record<string, Scalar>): Record<string, unknown> {
	const custom = Object.entries(placed).filter(([name]) => name.startsWith("customData."));
	const fields = Object.entries(placed).filter(([name]) => !name.startsWith("customData."));
	return {
		...Object.fromEntries(fields),
		...(custom.length > 0 && {
			customData: custom.map(([name, value]) => ({ property: name.slice("customData.".length), value })),
		}),
	};
}
