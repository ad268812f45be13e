import type { SandboxPerson } from "../people.ts";
import type { SearchCondition } from "./schemas.ts";

/** A customer as the API shows it. */
export const rendered = ({ id, email, userId, profile, attributes }: SandboxPerson) => ({
	id,
	email: email ?? null,
	userId: userId ?? null,
	...profile,
	customData: Object.entries(attributes).map(([property, value]) => ({ property, value })),
});

/** A customer's value under a searchable name like `customers.email`. */
export function field({ id, email, userId, profile }: SandboxPerson, name: string): unknown {
	const key = name.replace("customers.", "");
	return Object.hasOwn(profile, key) ? profile[key] : { id, email, userId }[key];
}

/** Orders numbers, and numbers in strings, by value; anything else as text. */
export const compare = (a: unknown, b: unknown): number => {
	const [left, right] = [Number(a), Number(b)];
	if (!Number.isNaN(left) && !Number.isNaN(right)) return left - right;
	return String(a ?? "").localeCompare(String(b ?? ""));
};

/** Whether a customer meets one condition of a search. */
export function matches(person: SandboxPerson, { field: name, operator, value }: SearchCondition): boolean {
	if (name === "customers.tagsData") {
		const tags = new Set(namesIn(person.profile.tags));
		return namesIn(value).every((tag) => tags.has(tag)) === (operator !== "!=");
	}
	const held = field(person, name);
	if (held === undefined || held === null) return operator === "!=";
	const [left, right] = [String(held).toLowerCase(), String(value).toLowerCase()];
	switch (operator) {
		case "=":
			return name === "customers.userId" ? held === value : left === right;
		case "!=":
			return left !== right;
		case "~":
			return left.includes(right);
		case ">":
			return compare(held, value) > 0;
		case ">=":
			return compare(held, value) >= 0;
	}
}

const namesIn = (tags: unknown): string[] => (Array.isArray(tags) ? tags.map((tag: { name: string }) => tag.name) : []);
