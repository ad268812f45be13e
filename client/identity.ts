import type { Limits, Person } from "../shared/event.ts";
import { attempt } from "./attempt.ts";
import { parseJson } from "./originals.ts";
import { readName, refuse } from "./text.ts";

const emailLength: Limits["emailLength"] = 254;
const idLength: Limits["idLength"] = 200;

/** Names of a visitor as pages give them to `login()`. */
export interface GivenNames {
	email?: string | null | undefined;
	userId?: string | number | null | undefined;
	token?: string | null | undefined;
}

/** Names of a visitor. */
export type Login = Pick<Person, "email" | "userId" | "token">;

/** Visitor as far as this browser knows them. They are identified once they have an e-mail, a userId or a token. */
export interface Identity extends Login {
	anonymousId: string;
	/** True if the browser had no stored identity. Removed by `reset()` and by another person's login. */
	isNew?: true;
}

/** Truthy for a visitor who has a name. */
export const isIdentified = (person: Login): unknown => person.email || person.userId || person.token;

/** Folds A-Z alone, as the proxy does: escape() keeps other letters from it, as the Kelvin sign, which becomes a k. */
const fold = (email = "") => escape(email).toLowerCase();

/** Compares userIds if both have one, else e-mails, whose case does not matter. Truthy for the same person. */
export const isSamePerson = (a: Login, b: Login): unknown =>
	a.userId && b.userId ? a.userId === b.userId : a.email && fold(a.email) === fold(b.email);

/**
 * Returns the identity after a login. A visitor who was not identified, or is the same person, keeps their `anonymousId`
 * and the names that the login lacks; another person starts with a new `anonymousId`.
 */
export const afterLogin = (identity: Identity, login: Login, newId: () => string): Identity => ({
	...(!isIdentified(identity) || isSamePerson(identity, login) ? identity : { anonymousId: newId() }),
	...login,
});

/**
 * Reads the argument of `login()`. The claims of a token stand in for names that are not given.
 * @throws TypeError if a name is invalid, or none is given.
 */
export const readLogin = (given: GivenNames): Login => {
	const login: Login = {};
	let signed: GivenNames | null | undefined;
	const read = (name: keyof Login, max: number) => {
		const text = readName(given[name] ?? signed?.[name], max, name);
		// Only fields with a value are set: the login is spread over the identity, and undefined would erase a name.
		if (text) login[name] = text;
	};
	read("token", 4_096);
	signed = attempt(() => {
		// The claims of the token (a JWT), which only the proxy verifies. atob() gives one character for each byte, and
		// escape() makes UTF-8 of them: https://developer.mozilla.org/docs/Glossary/Base64#the_unicode_problem
		const claims = (login.token as string).split(".")[1] as string;
		return parseJson(decodeURIComponent(escape(atob(claims.replace(/-/g, "+").replace(/_/g, "/"))))) as GivenNames;
	});
	read("userId", idLength);
	read("email", emailLength);
	if (!/^[^\s@]+@[^\s@]+$/.test(login.email as string)) delete login.email;
	if (!isIdentified(login)) refuse("login: no email, userId or token");
	return login;
};

/** Reads an identity that an earlier page or another tab stored. Undefined if the value is something else. */
export const readIdentity = (stored: unknown): Identity | undefined => {
	return ((stored as Identity | null)?.anonymousId && stored) as Identity | undefined;
};
