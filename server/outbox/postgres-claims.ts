import type { Claim } from "./outbox.ts";
import { columns, type Run } from "./postgres-connection.ts";

/** A claim with its key as it is stored, in hexadecimal. */
export interface HashedClaim extends Pick<Claim, "reason" | "at" | "since" | "until" | "ofPerson"> {
	key: string;
}

interface Span {
	since: number;
	until: number;
}
export type Claims = Awaited<ReturnType<typeof loadClaims>>;

/**
 * The claims on some keys, to be decided one after the other in memory and stored in one go. Under the lock
 * of `lockWriting`, so that nobody else decides the same meanwhile.
 */
export async function loadClaims(run: Run, all: readonly HashedClaim[]) {
	const spans = new Map<string, Span>();
	const changed = new Set<string>();
	if (all.length > 0) {
		const found = await run(
			"SELECT replace(key::text, '-', '') AS key, since, until FROM eventferry.claim WHERE key = ANY($1::uuid[])",
			[[...new Set(all.map(({ key }) => key))]],
		);
		for (const { key, since, until } of found) {
			spans.set(String(key), { since: Number(since), until: Number(until) });
		}
	}

	function isHeld({ key, at }: HashedClaim): boolean {
		const span = spans.get(key);
		return span !== undefined && span.since <= at && at < span.until;
	}

	/** Holds a claim from now on, whether it was held or not. */
	function mark({ key, since, until }: HashedClaim): void {
		spans.set(key, { since, until });
		changed.add(key);
	}

	/** Takes a claim unless it is held; returns whether it was taken. */
	function take(claim: HashedClaim): boolean {
		if (isHeld(claim)) return false;
		mark(claim);
		return true;
	}

	return {
		isHeld,
		mark,
		take,
		/** Takes an event's claims unless one of them is held: then the reason, and none is taken. */
		takeAll: (claims: readonly HashedClaim[]): string | undefined =>
			(claims.find(isHeld) ?? claims.find((each) => !take(each)))?.reason,
		async save(): Promise<void> {
			if (changed.size === 0) return;
			const rows = [...changed].map((key) => ({ key, span: spans.get(key) }));
			await run(
				`INSERT INTO eventferry.claim SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[])
				ON CONFLICT (key) DO UPDATE SET since = excluded.since, until = excluded.until`,
				columns(
					rows,
					({ key }) => key,
					({ span }) => span?.since,
					({ span }) => span?.until,
				),
			);
		},
	};
}
