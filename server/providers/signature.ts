import { createHmac, timingSafeEqual } from "node:crypto";
import type { HookRequest } from "./hook.ts";

/**
 * Whether a request's signature, in hex, is the HMAC of its body under a secret: of the bytes as they came, or else of
 * the JSON written anew, which is what the providers' own Node clients sign. `around` is what is signed with it.
 */
export function isSigned(
	{ raw, json }: Pick<HookRequest, "raw" | "json">,
	signature: string,
	{ algorithm, secret, around = ["", ""] }: { algorithm: "sha1" | "sha256"; secret: string; around?: [string, string] },
): boolean {
	const given = Buffer.from(signature, "hex");
	const bodies = [raw, json === undefined ? undefined : JSON.stringify(json)];
	return bodies.some((body) => {
		if (body === undefined) return false;
		const expected = createHmac(algorithm, secret).update(around[0]).update(body).update(around[1]).digest();
		// What is read as hex ends unnoticed before what is none: one signature must have one spelling.
		const isWhole = given.length === expected.length && signature.length === expected.length * 2;
		return isWhole && timingSafeEqual(given, expected);
	});
}
