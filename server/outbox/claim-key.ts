import { hash } from "node:crypto";
import type { Claim } from "./outbox.ts";

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

/** Remembers the last answer: events that come together are one person's as a rule. */
function rememberLast(answer: (site: string, person: string) => string): typeof answer {
	let last = { site: "", person: "", value: "" };
	return (site, person) => {
		if (last.site !== site || last.person !== person) last = { site, person, value: answer(site, person) };
		return last.value;
	};
}
const bucketOf = rememberLast((site, person) => digest(`bucket\n${site}\n${person}`).slice(0, bucketBytes));

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
	const own = digest(`${site}\n${ofPerson ? `${person}\n` : ""}${key}`);
	into.write(own, offset, keyBytes, "latin1");
	if (ofPerson) into.write(personPrefix(site, person), offset, prefixBytes, "latin1");
	else if (cluster !== undefined) {
		into.write(cluster, offset, clusterBytes, "hex");
		into.write(bucketOf(site, person), offset + clusterBytes, bucketBytes, "latin1");
	}
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
