import { createHmac, timingSafeEqual } from "node:crypto";
import type { HookRequest } from "./hook.ts";

/**
 * Tells whether a hex signature is the HMAC of a request's body, between the two texts of `around`. Tries the received
 * bytes, as providers document, and the re-serialised JSON, which their own Node clients sign.
 */
export function matchesSignature(
	{ raw, json }: Pick<HookRequest, "raw" | "json">,
	signature: string,
	{ algorithm, secret, around = ["", ""] }: { algorithm: "sha1" | "sha256"; secret: string; around?: [string, string] },
): boolean {
	const given = Buffer.from(signature, "hex");
	const bodies = [raw, json === undefined ? undefined : JSON.stringify(json)];
	return bodies.some((body) => {
		if (body === undefined) return false;
		const expected = createHmac(algorithm, secret).update(around[0]).update(body).update(around[1]).digest();
		// Buffer.from stops silently at the first character that is not hex. Without a check of the text's length, one
		// signature would have many spellings, and each would count as a new web hook.
		const isWhole = given.length === expected.length && signature.length === expected.length * 2;
		return isWhole && timingSafeEqual(given, expected);
	});
}
