import * as z from "zod";
import { eventSchema, limits } from "../../shared/event.ts";
import { areAttributes, isForbidden } from "./parse-event.ts";
import { isObject, tidyPerson } from "./tidy-event.ts";
import { signToken, tokenReader } from "./token.ts";

const audience = "eventferry:identity";
/** Longest token that an event may carry, in UTF-16 code units. */
const tokenLength = 4_096;
/** Seconds that a backend's clock may be ahead of the proxy's. */
const clockToleranceSeconds = 60;

const { email, userId } = eventSchema.options[0].shape.person.shape;
const identitySchema = z
	.object({ email, userId, attributes: z.record(z.string(), z.unknown()).optional() })
	.refine((identity) => identity.email !== undefined || identity.userId !== undefined, "an email or a userId is needed")
	.refine(({ attributes = {} }) => !Object.keys(attributes).some(isForbidden), "attributes: a key is not allowed")
	.refine(
		({ attributes = {} }) => areAttributes(attributes),
		`attributes: a name has more than ${limits.attributeNameLength} characters`,
	);
// Guard (SECURITY.md): token-has-expiry
const claimsSchema = z.object({ exp: z.number(), nbf: z.number().optional() });

/** Identity of a visitor that the site's backend vouches for. */
export type SignedIdentity = z.input<typeof identitySchema>;

/** Content of a valid token. */
export interface VerifiedIdentity extends SignedIdentity {
	/** Expiry of the token, ms since the epoch. Events captured from then on are refused. */
	expiresAt: number;
}

/**
 * Signs a visitor's identity for `login({ token })` in the browser: a JWT (HS256,
 * https://www.rfc-editor.org/rfc/rfc7519). Give the token to that visitor only. `attributes` may include names that a
 * page must not set.
 *
 * Name the e-mail wherever there is one. With verified identity the proxy knows a person by the token alone, and a
 * person with a `userId` alone reaches neither Crisp nor Vibetrace, which find people by e-mail: their events are
 * counted there as `not_addressable`.
 *
 * `secret` is the proxy's `EVENTFERRY_IDENTITY_SECRET`, at least 32 random characters; the first signs if there are
 * several with commas between them. `expiresIn` is in seconds, or a time span such as "15m", "1h" or "7 days". Events
 * captured before the token expires are accepted for up to 30 days. Rejects with a TypeError for an invalid argument.
 */
export async function signIdentity(
	identity: SignedIdentity,
	{ secret, expiresIn }: { secret: string; expiresIn: number | string },
): Promise<string> {
	const { success, data, error } = identitySchema.safeParse(tidyPerson(identity));
	if (!success) {
		const [issue] = error.issues;
		throw new TypeError(`${issue?.path.join(".") || "identity"}: ${issue?.message}`);
	}
	if (expiresIn === undefined) throw new TypeError('expiresIn: must be seconds or a time span, for example "1h"');
	const token = await signToken(data, { secret, audience, expiresIn });
	if (token.length > tokenLength) {
		throw new TypeError(`the token would have more than ${tokenLength} characters: sign fewer attributes`);
	}
	return token;
}

export type IdentityReader = (events: readonly unknown[]) => Promise<ReadonlyMap<string, VerifiedIdentity>>;

function tokenOf(event: unknown): string | undefined {
	const token = isObject(event) && isObject(event.person) ? event.person.token : undefined;
	return typeof token === "string" && token.length <= tokenLength ? token : undefined;
}

/** Makes a function that verifies each token of a batch once. It resolves to the valid tokens' identities, by token. */
export function identityReader(secrets: readonly string[], now: () => number): IdentityReader {
	const read = tokenReader(secrets, audience);

	async function identityOf(token: string): Promise<VerifiedIdentity | undefined> {
		const claims = await read(token);
		const times = claimsSchema.safeParse(claims);
		const identity = identitySchema.safeParse(tidyPerson(claims));
		if (!times.success || !identity.success) return undefined;
		const { exp, nbf = 0 } = times.data;
		if (nbf > now() / 1_000 + clockToleranceSeconds) return undefined;
		return { ...identity.data, expiresAt: exp * 1_000 };
	}

	return async (events) => {
		const found = new Map<string, VerifiedIdentity>();
		for (const token of new Set(events.map(tokenOf))) {
			const identity = token === undefined ? undefined : await identityOf(token);
			if (token !== undefined && identity) found.set(token, identity);
		}
		return found;
	};
}
