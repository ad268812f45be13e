import { createHmac, timingSafeEqual } from "node:crypto";
import type { BodyCheck } from "./hook.ts";

interface Signing {
	algorithm: "sha1" | "sha256";
	secret: string;
	/** Texts that are signed before and after the body. */
	around?: [string, string];
}

/**
 * Makes the check that a hex signature is the HMAC of a body. Returns undefined for a malformed signature. The check
 * tries the received bytes, as providers document, and then the re-serialised JSON, which their Node clients sign.
 */
export function signatureCheck(
	signature: string,
	{ algorithm, secret, around = ["", ""] }: Signing,
): BodyCheck | undefined {
	const given = Buffer.from(signature, "hex");
	const signed = (body: string | Buffer) =>
		createHmac(algorithm, secret).update(around[0]).update(body).update(around[1]).digest();
	const length = algorithm === "sha1" ? 20 : 32;
	// Buffer.from stops silently at the first character that is not hex. Without a check of the text's length, one
	// signature would have many spellings, and each would count as a new web hook.
	if (given.length !== length || signature.length !== length * 2) return undefined;
	return (body) => {
		const isOf = (text: string | Buffer | undefined) => text !== undefined && timingSafeEqual(given, signed(text));
		// Guard (SECURITY.md): hook-signature
		return isOf(body.raw) || isOf(body.reserialised());
	};
}
