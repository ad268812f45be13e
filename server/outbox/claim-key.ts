import { hash } from "node:crypto";
import type { Claim } from "./batch.ts";

/** Bytes of a claim's key on disk. */
export const keyBytes = 16;
/** Those of them that decide where on disk it is. */
const prefixBytes = 6;
/** Those that claims have of a cluster, and those that a person's have in it: few, so that many a person has the same. */
const clusterBytes = 3;
const bucketBytes = 2;

/** As a string of bytes: a buffer from the hash costs twice as much. */
const digest = (text: string) => hash("sha256", text, "binary");

/** What the keys of all claims that are a person's own start with. */
const personPrefix = (site: string, person: string) => digest(`${site}\n${person}`).slice(0, prefixBytes);

const bucketOf = (site: string, person: string) => digest(`bucket\n${site}\n${person}`).slice(0, bucketBytes);

let last = { site: "", person: "", cluster: "", start: "" };
/** What the keys of a person's claims of a cluster start with. Remembered, as events that come together are alike in it. */
function clusterStart(site: string, person: string, cluster: string): string {
	if (last.site !== site || last.person !== person || last.cluster !== cluster) {
		// Guard (SECURITY.md): claim-of-person
		const start = Buffer.from(cluster, "hex").toString("latin1", 0, clusterBytes) + bucketOf(site, person);
		last = { site, person, cluster, start };
	}
	return last.start;
}

/**
 * Writes a claim's key to a place in a buffer: says nothing of the person to whoever cannot name them. Returns its
 * length. What a person does in some hours is claimed side by side, so that a batch of theirs is one page of the disk.
 */
export function writeKey(
	site: string,
	person: string,
	{ key, cluster, ofPerson }: Claim,
	into: Buffer,
	offset: number,
): number {
	into.write(digest(`${site}\n${ofPerson ? `${person}\n` : ""}${key}`), offset, keyBytes, "latin1");
	if (ofPerson) into.write(personPrefix(site, person), offset, "latin1");
	else if (cluster !== undefined) into.write(clusterStart(site, person, cluster), offset, "latin1");
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
