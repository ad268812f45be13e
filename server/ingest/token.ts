import { hash } from "node:crypto";
import { parseJson } from "../http/exact-json.ts";

/** The purpose of a token, its `aud` claim. A token is invalid for any other purpose. */
export type Audience = "eventferry:identity" | "eventferry:open";

const algorithm = "HS256";

let loading: Promise<typeof import("jose")> | undefined;
/** Loads jose with the first token, as many proxies never see one. */
export const loadJose = () => {
	loading ??= import("jose");
	return loading;
};

export interface SignOptions {
	/** One secret, or several with commas between them, newest first. The newest signs. */
	secret: string;
	audience: Audience;
	/** Seconds from now, or a time span such as "15m", "1h" or "7 days". Absent: the token does not expire. */
	expiresIn?: number | string;
	/** Names the secret in the token's header, so that a reader with many secrets need not try each. */
	namesSecret?: boolean;
}

/** Name of a secret in a token's header: the beginning of a hash, which tells nothing of a random secret. */
export const nameOfSecret = (secret: string): string =>
	hash("sha256", `eventferry\n${secret}`, "base64url").slice(0, 12);

/**
 * Signs claims as a JWT (HS256) for one purpose. Rejects with a TypeError for an empty secret or an invalid time span.
 */
export async function signToken(
	claims: Record<string, unknown>,
	{ secret, audience, expiresIn, namesSecret = false }: SignOptions,
): Promise<string> {
	const [newest = ""] = secret.split(",");
	const key = Buffer.from(newest.trim());
	if (key.length === 0) throw new TypeError("secret: is empty: use the proxy's EVENTFERRY_IDENTITY_SECRET");
	const header = { alg: algorithm, ...(namesSecret && { kid: nameOfSecret(newest.trim()) }) };
	const { SignJWT } = await loadJose();
	const token = new SignJWT(claims).setProtectedHeader(header).setAudience(audience).setIssuedAt();
	if (expiresIn !== undefined) {
		token.setExpirationTime(typeof expiresIn === "number" ? Math.floor(Date.now() / 1_000 + expiresIn) : expiresIn);
	}
	return token.sign(key);
}

/**
 * Makes a function that verifies tokens for one purpose, signed with any of the secrets. It resolves to the claims, or
 * to undefined for an invalid token. Leaves `exp` and `nbf` to the caller, because events may arrive long after
 * their capture.
 */
export function tokenReader(
	secrets: readonly string[],
	audience: Audience,
): (token: string) => Promise<Record<string, unknown> | undefined> {
	const keys = Promise.all(
		secrets.map((secret) =>
			// Guard (SECURITY.md): token-key
			crypto.subtle.importKey("raw", Buffer.from(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]),
		),
	);
	return async (token) => {
		const { compactVerify } = await loadJose();
		for (const key of await keys) {
			// Guard (SECURITY.md): token-signature
			const verified = await compactVerify(token, key, { algorithms: [algorithm] }).catch(() => undefined);
			if (verified) return claimsIn(verified.payload, audience);
		}
		return undefined;
	};
}

function claimsIn(payload: Uint8Array, audience: Audience): Record<string, unknown> | undefined {
	try {
		const claims = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(payload));
		if (typeof claims !== "object" || claims === null || !("aud" in claims)) return undefined;
		// Guard (SECURITY.md): token-purpose
		return [claims.aud].flat().includes(audience) ? { ...claims } : undefined;
	} catch {
		return undefined;
	}
}
