import * as z from "zod";
import { eventSchema } from "../../shared/event.ts";
import { isForbidden } from "./guard.ts";
import { signToken, tokenReader } from "./token.ts";

const audience = "eventferry:identity";
/** UTF-16 units of a token: what an event may carry. */
const tokenLength = 4_096;
/** How far a backend's clock may be ahead of ours, seconds. */
const clockTolerance = 60;

const { email, userId } = eventSchema.options[0].shape.person.shape;
const identitySchema = z
	.object({ email, userId, attributes: z.record(z.string(), z.unknown()).optional() })
	.refine((identity) => identity.email !== undefined || identity.userId !== undefined, "an email or a userId is needed")
	.refine(({ attributes = {} }) => !Object.keys(attributes).some(isForbidden), "attributes: a key is not allowed");
const claimsSchema = z.object({ exp: z.number(), nbf: z.number().optional() });

/** Who a visitor is, as the app's backend vouches for it. */
export type SignedIdentity = z.input<typeof identitySchema>;

/** What a token says. */
export interface VerifiedIdentity extends SignedIdentity {
	/** ms since the epoch: what is captured from then on is not vouched for. */
	expiresAt: number;
}

/**
 * Signs who a visitor is, for `login({ token })` in the browser: a JWT (HS256). Give it to nobody but that visitor.
 * `attributes` may be any, those included that a page may not set.
 *
 * `secret` is what the proxy has as `EVENTFERRY_IDENTITY_SECRET`, best 32 random characters or more; of several, with commas
 * between them, the first signs. `expiresIn` is in seconds, or a time span as in "15m", "1h", "7 days": events
 * captured until then are taken, for up to 30 days. Rejects with a TypeError where something of it cannot be.
 */
export async function signIdentity(
	identity: SignedIdentity,
	{ secret, expiresIn }: { secret: string; expiresIn: number | string },
): Promise<string> {
	const { success, data, error } = identitySchema.safeParse(identity);
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

/** The token an event carries, as far as it can be one. */
function tokenOf(event: unknown): string | undefined {
	if (typeof event !== "object" || event === null || !("person" in event)) return undefined;
	const { person } = event;
	if (typeof person !== "object" || person === null || !("token" in person)) return undefined;
	const { token } = person;
	return typeof token === "string" && token.length <= tokenLength ? token : undefined;
}

/** Reads the tokens of a batch, each once: what those say that are good, by token. */
export function identityReader(secrets: readonly string[], now: () => number): IdentityReader {
	const read = tokenReader(secrets, audience);

	async function identityOf(token: string): Promise<VerifiedIdentity | undefined> {
		const claims = await read(token);
		const times = claimsSchema.safeParse(claims);
		const identity = identitySchema.safeParse(claims);
		if (!times.success || !identity.success) return undefined;
		const { exp, nbf = 0 } = times.data;
		if (nbf > now() / 1_000 + clockTolerance) return undefined;
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
