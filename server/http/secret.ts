import { hash, timingSafeEqual } from "node:crypto";

/** Compares two secrets in constant time, so that response times tell nothing about them. */
export function sameSecret(given: string, expected: string): boolean {
	const digest = (text: string) => hash("sha256", text, "buffer");
	return timingSafeEqual(digest(given), digest(expected));
}

/** Extracts the token of an `Authorization: Bearer …` header. */
export const bearer = (header: string | undefined): string | undefined => header?.match(/^Bearer +(\S+)$/i)?.[1];

/** Extracts the user of an `Authorization: Basic …` header. Undefined if there is no such header. */
export function basicUser(header: string | undefined): string | undefined {
	const encoded = header?.match(/^Basic +([\w+/=-]*)$/i)?.[1];
	return encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString().split(":", 1)[0];
}
