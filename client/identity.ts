import type { Limits, Person } from "../shared/event.ts";
import { checkText, refuse } from "./text.ts";

const emailLength: Limits["emailLength"] = 254;
const idLength: Limits["idLength"] = 200;
const tokenLength = 4_096;

/** What `login()` says about the visitor. */
export type Login = Pick<Person, "email" | "userId" | "token">;

/** Who this visitor is, as far as this browser knows. Known: has an e-mail, a userId or a token. */
export interface Identity extends Login {
	anonymousId: string;
	/** Since this browser knows of nobody before them: until a `reset()` or another person's login. */
	isNew?: true;
}

export const isKnown = (person: Login): boolean => !!(person.email || person.userId || person.token);

/** Same userId where both have one, else same e-mail. */
export function isSamePerson(a: Login, b: Login): boolean {
	if (a.userId && b.userId) return a.userId === b.userId;
	return !!a.email && a.email.toLowerCase() === b.email?.toLowerCase();
}

/** Takes the login over; another person than before gets a new `anonymousId` and nothing of the old one's. */
export function afterLogin(identity: Identity, login: Login, newId: () => string): Identity {
	const { email, userId, ...rest } = identity;
	const stays = !isKnown(identity) || isSamePerson(identity, login);
	// A token is refused with a name that is not its own.
	return { ...(stays ? (login.token ? rest : identity) : { anonymousId: newId() }), ...login };
}

/** Reads what was given to `login()`; throws a TypeError where it names nobody. */
export function readLogin({ email, userId, token }: Login): Login {
	// A field that is missing must not erase one that is known, so it is not set.
	const login: Login = {};
	if (token) {
		checkText(token, tokenLength, "token");
		login.token = token;
		try {
			// The claims, unverified: they say who is meant, and the proxy whether it is true. Their bytes are UTF-8.
			const signed: Login = JSON.parse(
				decodeURIComponent(escape(atob((token.split(".")[1] as string).replace(/-/g, "+").replace(/_/g, "/")))),
			);
			email ||= signed.email;
			userId ||= signed.userId;
		} catch {}
	}
	if (userId) {
		checkText(userId, idLength, "userId");
		login.userId = userId;
	}
	if (email) {
		checkText(email, emailLength, "email");
		login.email = email.trim();
		if (!/^[^\s@]+@[^\s@]+$/.test(login.email)) refuse("email: not an address");
	}
	if (!isKnown(login)) refuse("login: no email, userId or token");
	return login;
}

/** Reads what an earlier page or another tab stored; undefined where that is no identity. */
export function readIdentity(stored: unknown): Identity | undefined {
	return ((stored as Identity | null)?.anonymousId && stored) as Identity | undefined;
}
