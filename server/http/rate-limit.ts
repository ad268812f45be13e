import type { IncomingMessage } from "node:http";
import type { RequestHandler } from "express";
import { ipKeyGenerator, MemoryStore, type Options } from "express-rate-limit";
import { RequestError } from "./problem.ts";

const windowMs = 60_000;
/** A household or an office has so much of IPv6: counted as one address. */
const ipv6Prefix = 64;

/** Who sends a request, as limits count them. */
export type Sender = (request: IncomingMessage) => string;

/** Counts senders by their addresses: IPv4 whole, IPv6 by its /64. */
export const byAddress =
	(addressOf: (request: IncomingMessage) => string): Sender =>
	(request) =>
		ipKeyGenerator(addressOf(request), ipv6Prefix);

export interface RateLimit {
	/** Counts one; rejects with `rate_limited` when that is more than a minute has room for. */
	count(key: string): Promise<void>;
	/** Rejects with `rate_limited` when a minute's room is used up; counts nothing. */
	check(key: string): Promise<void>;
}

/** So many of each key in a minute, and no more until it is over. */
export function createRateLimit(limit: number): RateLimit {
	const store = new MemoryStore();
	store.init({ windowMs } as Options);
	function refuse(resetTime: Date | undefined): never {
		const retryAfter = Math.ceil(((resetTime?.getTime() ?? 0) - Date.now()) / 1_000);
		throw new RequestError("rate_limited", "too many requests: come again when Retry-After says", {
			retryAfter: Math.min(Math.max(retryAfter, 1), windowMs / 1_000),
		});
	}
	return {
		async count(key) {
			const { totalHits, resetTime } = await store.increment(key);
			if (totalHits > limit) refuse(resetTime);
		},
		async check(key) {
			const hits = await store.get(key);
			if (hits && hits.totalHits >= limit) refuse(hits.resetTime);
		},
	};
}

/** Turns away whoever sends more requests than that in a minute; before anything of a request is read but its headers. */
export function limitRequests(limit: number, senderOf: Sender): RequestHandler {
	const requests = createRateLimit(limit);
	return async (request, _response, next) => {
		await requests.count(senderOf(request));
		next();
	};
}

/** Looks for what a request's secret opens; resolves to undefined when it opens nothing. */
export type Guess = <Found>(request: IncomingMessage, open: () => Found | undefined) => Promise<Found | undefined>;

/**
 * Bounds how often a secret can be guessed. Only wrong guesses count; past the limit no guess of that address is
 * looked at for the rest of the minute, not even a right one, as that would tell.
 */
export function limitGuesses(limit: number, senderOf: Sender): Guess {
	const wrong = createRateLimit(limit);
	return async (request, open) => {
		const sender = senderOf(request);
		await wrong.check(sender);
		const found = open();
		if (found === undefined) await wrong.count(sender);
		return found;
	};
}
