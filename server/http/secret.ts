import { hash, timingSafeEqual } from "node:crypto";

/** Compares two secrets without telling by the time it takes how much of them agrees. */
export function sameSecret(given: string, expected: string): boolean {
	const digest = (text: string) => hash("sha256", text, "buffer");
	return timingSafeEqual(digest(given), digest(expected));
}

/** The token of an `Authorization: Bearer …` header. */
export const bearer = (header: string | undefined): string | undefined => header?.match(/^Bearer +(\S+)$/i)?.[1];
