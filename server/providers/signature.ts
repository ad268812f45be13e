import { createHmac, timingSafeEqual } from "node:crypto";
import type { HookRequest } from "./hook.ts";

/**
 * Whether a hex signature is the HMAC of a request's body. Both the received bytes and the re-serialised JSON are
 * tried: providers document the former, and their own Node clients sign the latter. `around` is signed before and
 * after the body.
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
		// Buffer.from stops silently at the first character that is not hex. Without the check of the text's length, one
		// signature would have many spellings, and each would count as a new web hook.
		const isWhole = given.length === expected.length && signature.length === expected.length * 2;
		return isWhole && timingSafeEqual(given, expected);
	});
}
