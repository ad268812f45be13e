import type { Person } from "../../../shared/event.ts";
import { normaliseEmail } from "../../stored-event.ts";
import { isRecord } from "../json.ts";

/** Makes a person's key at HelpCrunch, where userIds are unique and e-mails are not. */
export const customerKey = ({ userId, email }: Person) =>
	userId !== undefined ? `userId:${userId}` : `email:${email}`;

/** A field by which customers can be searched, with the person's value. */
export interface Address {
	field: "userId" | "email";
	value: string;
}

/** Lists a person's addresses, in the order in which they are searched. */
export function addressesOf({ userId, email }: Person): Address[] {
	const addresses: Address[] = [];
	if (userId !== undefined) addresses.push({ field: "userId", value: userId });
	if (email !== undefined) addresses.push({ field: "email", value: email });
	return addresses;
}

/** Makes a search for customers by an address: https://docs.helpcrunch.com/en/rest-api-v1/search-customers-v1 */
export const searchFor = ({ field, value }: Address) =>
	({
		purpose: "search",
		method: "POST",
		path: ["customers", "search"],
		body: { filter: [{ field: `customers.${field}`, operator: "=", value }], limit: 100, offset: 0 },
	}) as const;

interface Customer {
	id: number;
	userId?: unknown;
	email?: unknown;
	lastSeen?: unknown;
}

export const isCustomer = (value: unknown): value is Customer & Record<string, unknown> =>
	isRecord(value) && Number.isSafeInteger(value.id);

const isBlank = (value: unknown) => value === undefined || value === null || value === "";

/**
 * Tells whether a customer found by an address is the person. A customer with another userId is somebody else. The
 * address is compared too, as a search whose filter HelpCrunch ignores finds everybody.
 */
export function isPerson({ userId, email }: Customer, person: Person, { field, value }: Address): boolean {
	const isSame = person.userId !== undefined && String(userId) === person.userId;
	if (field === "userId") return userId === undefined || isSame;
	const isOther = person.userId !== undefined && !isBlank(userId) && !isSame;
	return !isOther && (email === undefined || normaliseEmail(String(email)) === normaliseEmail(value));
}

/**
 * Chooses among customers with the same e-mail, which HelpCrunch allows: the one with the person's userId, else the one
 * seen last, else the one with the lowest id. https://docs.helpcrunch.com/en/developers/user-entity-format
 */
export function pickCustomer(customers: Customer[], person: Person): Customer | undefined {
	const same = customers.filter(({ userId }) => person.userId !== undefined && String(userId) === person.userId);
	const seen = ({ lastSeen }: Customer) => Number(lastSeen ?? 0) || 0;
	return (same.length > 0 ? same : customers).toSorted((a, b) => seen(b) - seen(a) || a.id - b.id)[0];
}
