import { hash } from "node:crypto";
import type { Claim } from "./outbox.ts";

/** Bytes of a key that decide where on disk its claim is. */
const prefixBytes = 6;

const digest = (text: string) => hash("sha256", text, "buffer").subarray(0, 16);

/** What the keys of all claims that are a person's own start with. */
const personPrefix = (site: string, person: string) => digest(`${site}\n${person}`).subarray(0, prefixBytes);

/** A claim's key on disk, 16 bytes: says nothing of the person to whoever cannot name them. */
export function claimKey(site: string, person: string, { key, cluster, ofPerson }: Claim): Buffer {
	const result = digest(`${site}\n${ofPerson ? `${person}\n` : ""}${key}`);
	if (ofPerson) personPrefix(site, person).copy(result);
	else if (cluster) result.write(cluster, "hex");
	return result;
}

/** The first and the last key that a person's own claims can have. */
export function personClaims(site: string, person: string): [first: Buffer, last: Buffer] {
	const prefix = personPrefix(site, person);
	return [Buffer.concat([prefix, Buffer.alloc(10)]), Buffer.concat([prefix, Buffer.alloc(10, 0xff)])];
}
