import type { Claim } from "../batch.ts";
import { keyBytes, keyOf } from "../claim-key.ts";
import { isTrusted } from "../deliveries.ts";
import type { EventHead, Term } from "../journal-row.ts";
import { columns, type Run } from "./connection.ts";

/** A claim with its stored key, in hexadecimal. */
export interface KeyedClaim extends Term {
	key: string;
	/** True for a claim of a trusted event. */
	trusted: boolean;
}

type Span = Pick<KeyedClaim, "since" | "until" | "trusted">;

/** Gives a claim its stored key, as one that is not trusted: of a report, or of an untrusted purchase. */
export const keyed = (site: string, person: string, claim: Claim): KeyedClaim => ({
	...claim,
	trusted: false,
	key: keyOf(site, person, claim).toString("hex"),
});

export type Claims = Awaited<ReturnType<typeof loadClaims>>;

export function claimsOf(events: readonly EventHead[], terms: readonly Term[], keys: Buffer): KeyedClaim[][] {
	let offset = 0;
	return events.map(([, flags, , ...own]) =>
		own.flatMap((place) => {
			const term = terms[place];
			offset += keyBytes;
			return term ? [{ ...term, trusted: isTrusted(flags), key: keys.toString("hex", offset - keyBytes, offset) }] : [];
		}),
	);
}

/** Stores claims, also over others with their keys. */
export async function saveClaims(run: Run, claims: readonly (Span & Pick<KeyedClaim, "key">)[]): Promise<void> {
	if (claims.length === 0) return;
	const each = [...new Map(claims.map((claim) => [claim.key, claim])).values()];
	await run(
		`INSERT INTO eventferry.claim SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::boolean[])
		ON CONFLICT (key) DO UPDATE SET since = excluded.since, until = excluded.until, trusted = excluded.trusted`,
		columns(each, "key", "since", "until", "trusted"),
	);
}

/**
 * Loads the claims on some keys, to decide in memory which are taken and to save the changes together. The caller must
 * hold the lock of `lockWriting`, so that no other process decides the same claims.
 */
export async function loadClaims(run: Run, all: readonly KeyedClaim[]) {
	const spans = new Map<string, Span>();
	const changed = new Map<string, Span & Pick<KeyedClaim, "key">>();
	if (all.length > 0) {
		const found = await run(
			"SELECT replace(key::text, '-', '') AS key, since, until, trusted FROM eventferry.claim WHERE key = ANY($1::uuid[])",
			[all.map(({ key }) => key)],
		);
		for (const { key, since, until, trusted } of found) {
			spans.set(String(key), { since: Number(since), until: Number(until), trusted: trusted === true });
		}
	}

	function isTaken({ key, at }: KeyedClaim): boolean {
		const span = spans.get(key);
		return span !== undefined && span.since <= at && at < span.until;
	}

	/** Takes a claim even if it is taken already. */
	function set({ key, since, until, trusted }: KeyedClaim): void {
		spans.set(key, { since, until, trusted });
		changed.set(key, { key, since, until, trusted });
	}

	/** Takes a claim unless it is taken already; returns true if it was free. */
	function take(claim: KeyedClaim): boolean {
		if (isTaken(claim)) return false;
		set(claim);
		return true;
	}

	return {
		isTaken,
		/** Tells whether an untrusted event has or had a claim. */
		isUntrusted: ({ key }: KeyedClaim): boolean => spans.get(key)?.trusted === false,
		set,
		take,
		async save(): Promise<void> {
			await saveClaims(run, [...changed.values()]);
		},
	};
}
