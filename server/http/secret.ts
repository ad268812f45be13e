import { hash, timingSafeEqual } from "node:crypto";

/** Compares two secrets in constant time, so that response times tell nothing about them. */
export function sameSecret(given: string, expected: string): boolean {
	const digest = (text: string) => hash("sha256", text, "buffer");
	return timingSafeEqual(digest(given), digest(expected));
}

/** Extracts the token of an `Authorization: Bearer …` header. */
export const bearer = (header: string | undefined): string | undefined => header?.match(/^Bearer +(\S+)$/i)?.[1];
