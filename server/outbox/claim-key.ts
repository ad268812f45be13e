import { hash } from "node:crypto";
import type { Claim } from "./outbox.ts";

/** Bytes of a claim's key on disk. */
export const keyBytes = 16;
/** Those of them that decide where on disk it is. */
const prefixBytes = 6;

/** As a string of bytes: a buffer from the hash costs twice as much. */
const digest = (text: string) => hash("sha256", text, "binary");

/** What the keys of all claims that are a person's own start with. */
const personPrefix = (site: string, person: string) => digest(`${site}\n${person}`).slice(0, prefixBytes);

/** Writes a claim's key to a place in a buffer: says nothing of the person to whoever cannot name them. Returns its length. */
export function writeKey(
	site: string,
	person: string,
	{ key, cluster, ofPerson }: Claim,
	into: Buffer,
	offset: number,
): number {
	const own = digest(`${site}\n${ofPerson ? `${person}\n` : ""}${key}`);
	into.write(own, offset, keyBytes, "latin1");
	if (ofPerson) into.write(personPrefix(site, person), offset, prefixBytes, "latin1");
	else if (cluster) into.write(cluster, offset, prefixBytes, "hex");
	return keyBytes;
}

/** A claim's key. */
export function keyOf(site: string, person: string, claim: Claim): Buffer {
	const key = Buffer.alloc(keyBytes);
	writeKey(site, person, claim, key, 0);
	return key;
}

/** The first and the last key that a person's own claims can have. */
export function personClaims(site: string, person: string): [first: Buffer, last: Buffer] {
	const prefix = Buffer.from(personPrefix(site, person), "latin1");
	const rest = keyBytes - prefixBytes;
	return [Buffer.concat([prefix, Buffer.alloc(rest)]), Buffer.concat([prefix, Buffer.alloc(rest, 0xff)])];
}
