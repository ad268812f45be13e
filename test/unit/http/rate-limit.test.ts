import type { IncomingMessage } from "node:http";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { byAddress, createRateLimit, limitGuesses } from "../../../server/http/rate-limit.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

const refused = expect.objectContaining({ code: "rate_limited" });
const request = {} as IncomingMessage;

describe("a limit", () => {
	test("lets through the allowed number of requests per sender, each counting for a minute", () => {
		const limit = createRateLimit(2);
		limit.count("a");
		vi.advanceTimersByTime(59_000);
		limit.count("a");
		expect(() => limit.count("a")).toThrow(refused);
		limit.count("b");
		vi.advanceTimersByTime(1_000);
		limit.count("a");
	});

	test("refuses with the rest of the minute as retryAfter", () => {
		const limit = createRateLimit(1);
		limit.count("a");
		expect(() => limit.count("a")).toThrow(expect.objectContaining({ retryAfter: 60 }));
		vi.advanceTimersByTime(59_999);
		expect(() => limit.count("a")).toThrow(expect.objectContaining({ retryAfter: 1 }));
	});

	test("can be checked without counting a request", () => {
		const limit = createRateLimit(1);
		for (let times = 0; times < 3; times += 1) expect(limit.isReached("a")).toBe(false);
		limit.count("a");
		expect(limit.isReached("a")).toBe(true);
		vi.advanceTimersByTime(60_000);
		expect(limit.isReached("a")).toBe(false);
	});

	test("counts each sender's minute on its own", () => {
		const limit = createRateLimit(1);
		limit.count("first");
		vi.advanceTimersByTime(30_000);
		limit.count("a");
		vi.advanceTimersByTime(30_000);
		limit.count("second");
		expect(() => limit.count("a")).toThrow(refused);
	});

	test("remembers an active sender among 250,000 others, and forgets an inactive one", () => {
		const limit = createRateLimit(1);
		limit.count("once");
		limit.count("often");
		for (let other = 0; other < 250_000; other += 1) {
			limit.count(`other ${other}`);
			if (other % 10_000 === 0) expect(() => limit.count("often")).toThrow(refused);
		}
		limit.count("once");
	});
});

describe("two addresses belong to one sender", () => {
	const name = byAddress(({ url = "" }) => url);
	const nameOf = (address: string) => name({ url: address } as IncomingMessage);
	test.each([
		["equal IPv4 addresses", "198.51.100.1", "198.51.100.1", true],
		["different IPv4 addresses", "198.51.100.1", "198.51.100.2", false],
		["an IPv4 address and its IPv4-mapped IPv6 form", "198.51.100.1", "::ffff:198.51.100.1", true],
		["different IPv4-mapped addresses", "::ffff:198.51.100.2", "::ffff:198.51.100.1", false],
		["IPv6 addresses of one /64", "2001:db8:0:1::1", "2001:db8:0:1:ffff::9", true],
		["IPv6 addresses of one /64 in different spellings", "2001:db8::1:2", "2001:0DB8:0:0:0::5", true],
		["IPv6 addresses of different /64s", "2001:db8:0:1::1", "2001:db8:0:2::1", false],
		["the first address of a /64 and another one", "2001:db8:0:1::", "2001:db8:0:1::1", true],
		["link-local addresses with zones", "fe80::1%eth0", "fe80::2%eth1", true],
		["the loopback and the unspecified address", "::1", "::", true],
		["two missing addresses", "", "", true],
	])("%s: %s, %s → %s", (_name, first, second, isSame) => {
		expect(nameOf(first) === nameOf(second)).toBe(isSame);
	});
});

describe("guesses of secrets", () => {
	const [short, long] = ["s".repeat(31), "l".repeat(32)];
	/** Guesses `given`, where both secrets are right. */
	function guessing(limit: number) {
		const guess = limitGuesses(limit, () => "a");
		return (given: string) =>
			guess(request, (isCompared) => [short, long].find((secret) => isCompared(secret) && secret === given));
	}

	test("are refused after the allowed number of wrong ones, and right ones do not count", () => {
		const guess = guessing(2);
		for (let times = 0; times < 5; times += 1) expect(guess(short)).toBe(short);
		for (let times = 0; times < 2; times += 1) expect(guess("wrong")).toBeUndefined();
		expect(() => guess("wrong")).toThrow(refused);
		expect(() => guess(short)).toThrow(refused);
	});

	test("find a secret that is too long to be guessed after any number of wrong ones", () => {
		const guess = guessing(2);
		for (let times = 0; times < 2; times += 1) guess("wrong");
		expect(() => guess("wrong")).toThrow(refused);
		expect(guess(long)).toBe(long);
	});

	test("count when the comparison fails", () => {
		const guess = limitGuesses(2, () => "a");
		const fails = () => {
			throw new RangeError("too deep");
		};
		for (let times = 0; times < 2; times += 1) expect(() => guess(request, fails)).toThrow(RangeError);
		expect(() => guess(request, fails)).toThrow(refused);
	});
});
