import { hash } from "node:crypto";
import type { Claim } from "./batch.ts";

/** Length of a stored key, in bytes. */
export const keyBytes = 16;
/** Length of the leading part that a person's own claims (`ofPerson`) share. */
const prefixBytes = 6;
/** Length of the leading part that claims of one cluster share. */
const clusterBytes = 3;
/** Length of the part after the cluster, which a person's claims share. Short, so that many people share one. */
const bucketBytes = 2;

/** Hashes a text into a latin1 string, which takes half the time of a buffer. */
const digest = (text: string) => hash("sha256", text, "binary");

const personPrefix = (site: string, person: string) => digest(`${site}\n${person}`).slice(0, prefixBytes);

const bucketOf = (site: string, person: string) => digest(`bucket\n${site}\n${person}`).slice(0, bucketBytes);

/** The part of a claim that its stored key depends on. */
type Named = Pick<Claim, "key" | "cluster" | "ofPerson">;

let last = { site: "", person: "", cluster: "", start: "" };
/** Returns the first bytes of the keys of a person's claims in a cluster; cached, as events of a batch share them. */
function clusterStart(site: string, person: string, cluster: string): string {
	if (last.site !== site || last.person !== person || last.cluster !== cluster) {
		// Guard (SECURITY.md): claim-of-person
		const start = Buffer.from(cluster, "hex").toString("latin1", 0, clusterBytes) + bucketOf(site, person);
		last = { site, person, cluster, start };
	}
	return last.start;
}

/**
 * Writes the stored key of a claim into a buffer; returns the key's length. A key is a hash: it tells nothing to a
 * reader who does not know the person. A person's claims of one cluster are neighbours, so that a batch touches one page
 * of the disk.
 */
export function writeKey(
	site: string,
	person: string,
	{ key, cluster, ofPerson }: Named,
	into: Buffer,
	offset: number,
): number {
	into.write(digest(`${site}\n${ofPerson ? `${person}\n` : ""}${key}`), offset, keyBytes, "latin1");
	if (ofPerson) into.write(personPrefix(site, person), offset, "latin1");
	else if (cluster !== undefined) into.write(clusterStart(site, person, cluster), offset, "latin1");
	return keyBytes;
}

export function keyOf(site: string, person: string, claim: Named): Buffer {
	const key = Buffer.alloc(keyBytes);
	writeKey(site, person, claim, key, 0);
	return key;
}

/** Returns the lowest and the highest possible key of a person's own claims. */
export function personClaims(site: string, person: string): [first: Buffer, last: Buffer] {
	const prefix = Buffer.from(personPrefix(site, person), "latin1");
	const rest = keyBytes - prefixBytes;
	return [Buffer.concat([prefix, Buffer.alloc(rest)]), Buffer.concat([prefix, Buffer.alloc(rest, 0xff)])];
}
