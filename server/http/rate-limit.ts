import type { IncomingMessage } from "node:http";
import { isIPv6 } from "node:net";
import type { RequestHandler } from "express";
import { RequestError } from "./problem.ts";

const windowMs = 60_000;
/** Number of keys that one limit remembers at most, about 200 bytes each. */
const keysMost = 100_000;
/** Bits of an IPv6 address that count as one sender: the network of a household or an office. */
// Guard (SECURITY.md): ipv6-network
const ipv6Prefix = 64;

/** The IPv4 address, or the /64 network of an IPv6 address, in one spelling. */
export function networkOf(address: string): string {
	const plain = address.replace(/^::ffff:(?=[\d.]+$)/i, "");
	if (!isIPv6(plain)) return plain;
	// A URL spells IPv6 in one way, and has no zone: https://url.spec.whatwg.org/#concept-ipv6-serializer
	const { hostname } = new URL(`http://[${plain.replace(/%.*/, "")}]`);
	const [head = [], tail = []] = hostname
		.slice(1, -1)
		.split("::")
		.map((part) => part.split(":").filter(Boolean));
	const zeros = Array<string>(8 - head.length - tail.length).fill("0");
	return [...head, ...zeros, ...tail].slice(0, ipv6Prefix / 16).join(":");
}

export type SenderOf = (request: IncomingMessage) => string;

/** Counts senders by their IPv4 address, or the /64 of their IPv6 address. Reads the address of a request once. */
export function byAddress(addressOf: (request: IncomingMessage) => string): SenderOf {
	// A property costs less than an entry of a WeakMap, which the garbage collector visits each time.
	const known = Symbol("sender");
	return (request: IncomingMessage & { [known]?: string }) => {
		request[known] ??= networkOf(addressOf(request));
		return request[known];
	};
}

/** The minute that begins with a key's first request, and what was used in it. */
interface Window {
	/** Number of requests or bytes. */
	used: number;
	endsAt: number;
}

/** Limits what each key, such as a sender's address, uses per minute: requests or bytes. */
export function createRateLimit(limit: number) {
	// Two generations of windows: a window is kept for a minute after its last request, or less if too many keys come.
	let current = new Map<string, Window>();
	let previous = new Map<string, Window>();
	let rotatesAt = 0;

	function windowOf(key: string, now: number): Window {
		const window = current.get(key) ?? previous.get(key);
		return window && now < window.endsAt ? window : { used: 0, endsAt: now + windowMs };
	}

	function refuse({ endsAt }: Window, now: number): never {
		throw new RequestError("rate_limited", "too much was sent: try again after the seconds in Retry-After", {
			retryAfter: Math.ceil((endsAt - now) / 1_000),
		});
	}

	/**
	 * Returns a key's window. Throws `rate_limited` if so much more would be over the limit. The first body of a minute may
	 * be of any size, as its sender cannot make it smaller.
	 */
	function ensure(key: string, by: number): Window {
		const now = performance.now();
		const window = windowOf(key, now);
		if (now >= rotatesAt || current.size >= keysMost / 2) {
			previous = current;
			current = new Map();
			rotatesAt = now + windowMs;
		}
		current.set(key, window);
		// Guard (SECURITY.md): request-limit
		if (window.used > 0 && window.used + by > limit) refuse(window, now);
		return window;
	}

	return {
		ensure,
		/** Counts one request, or bytes. Throws `rate_limited`, counting nothing, when they go over the limit. */
		count(key: string, by = 1): void {
			ensure(key, by).used += by;
		},
		/** Tells whether the next request would be over the limit. Counts nothing. */
		isReached: (key: string): boolean => windowOf(key, performance.now()).used >= limit,
	};
}

/** Refuses requests over the limit when only their headers have been read. */
export function limitRequests(limit: number, senderOf: SenderOf): RequestHandler {
	const requests = createRateLimit(limit);
	return (request, _response, next) => {
		requests.count(senderOf(request));
		next();
	};
}

/** Handlers that refuse requests over a limit of bytes: by the announced size of the body, and once it has been read. */
export interface ByteLimit {
	announced: RequestHandler;
	read: RequestHandler;
}

const sizeOf = (body: unknown) =>
	Buffer.byteLength(Buffer.isBuffer(body) || typeof body === "string" ? body : (JSON.stringify(body) ?? ""));

/** Limits the bytes of bodies, which are counted uncompressed. */
export function limitBytes(limit: number, senderOf: SenderOf): ByteLimit {
	const bytes = createRateLimit(limit);
	return {
		announced(request, _response, next) {
			bytes.ensure(senderOf(request), Number(request.headers["content-length"]) || 1);
			next();
		},
		read(request, _response, next) {
			// Guard (SECURITY.md): byte-limit
			bytes.count(senderOf(request), sizeOf(request.body));
			next();
		},
	};
}

/** Makes a function that counts a request, unless its sender is over the limit, and tells whether it was counted. */
export function withinLimit(limit: number, senderOf: SenderOf): (request: IncomingMessage) => boolean {
	const requests = createRateLimit(limit);
	return (request) => {
		const sender = senderOf(request);
		if (requests.isReached(sender)) return false;
		requests.count(sender);
		return true;
	};
}

/** Tells whether a secret is too long to be found by guessing. */
// Guard (SECURITY.md): guess-long
const isUnguessable = (secret: string): boolean => secret.length >= 32;

/** Tells which secrets may be compared with the one of a request. */
export type IsCompared = (secret: string) => boolean;

/**
 * Calls `find` to look up the owner of a request's secret, and counts a wrong one. Tells it which secrets to compare,
 * and whether the limit is reached. Throws `rate_limited` for wrong secrets over the limit.
 */
export type Guess = <Found>(
	request: IncomingMessage,
	find: (isCompared: IsCompared, isOver: boolean) => Found | undefined,
) => Found | undefined;

/**
 * Limits wrong guesses of a secret. At the limit, a secret that could be guessed is not compared for the rest of the
 * minute, because an answer would tell that the guess was right. Longer secrets are still compared, so that wrong
 * guesses from the owner's address do not lock out the owner.
 */
export function limitGuesses(limit: number, senderOf: SenderOf): Guess {
	const wrong = createRateLimit(limit);
	return (request, find) => {
		const sender = senderOf(request);
		// Guard (SECURITY.md): guess-limit
		const isOver = wrong.isReached(sender);
		let found: ReturnType<typeof find>;
		try {
			found = find((secret) => !isOver || isUnguessable(secret), isOver);
		} finally {
			// Counts a failed comparison too, which would otherwise be a way around the limit.
			if (found === undefined) wrong.count(sender);
		}
		return found;
	};
}
