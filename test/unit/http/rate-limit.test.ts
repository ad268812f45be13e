import type { IncomingMessage } from "node:http";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { byAddress, createRateLimit, limitGuesses } from "../../../server/http/rate-limit.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

const refused = expect.objectContaining({ code: "rate_limited" });
const request = {} as IncomingMessage;

describe("a limit", () => {
	test("lets a sender's requests through until there are more than it allows, and then each after its minute", () => {
		const limit = createRateLimit(2);
		limit.count("a");
		vi.advanceTimersByTime(59_000);
		limit.count("a");
		expect(() => limit.count("a")).toThrow(refused);
		limit.count("b");
		vi.advanceTimersByTime(1_000);
		limit.count("a");
	});

	test("says how long the minute still is", () => {
		const limit = createRateLimit(1);
		limit.count("a");
		expect(() => limit.count("a")).toThrow(expect.objectContaining({ retryAfter: 60 }));
		vi.advanceTimersByTime(59_999);
		expect(() => limit.count("a")).toThrow(expect.objectContaining({ retryAfter: 1 }));
	});

	test("is checked without being counted", () => {
		const limit = createRateLimit(1);
		for (let times = 0; times < 3; times += 1) limit.check("a");
		limit.count("a");
		expect(() => limit.check("a")).toThrow(refused);
		vi.advanceTimersByTime(60_000);
		limit.check("a");
	});

	test("holds across the minutes of others", () => {
		const limit = createRateLimit(1);
		limit.count("first");
		vi.advanceTimersByTime(30_000);
		limit.count("a");
		vi.advanceTimersByTime(30_000);
		limit.count("second");
		expect(() => limit.count("a")).toThrow(refused);
	});

	test("remembers a sender that goes on sending, however many others send, and forgets who sent once", () => {
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

describe("a sender is", () => {
	const name = byAddress(({ url = "" }) => url);
	const nameOf = (address: string) => name({ url: address } as IncomingMessage);
	test.each([
		["an IPv4 address", "198.51.100.1", "198.51.100.1", true],
		["another IPv4 address", "198.51.100.1", "198.51.100.2", false],
		["the same address as mapped IPv6", "198.51.100.1", "::ffff:198.51.100.1", true],
		["another address as mapped IPv6", "::ffff:198.51.100.2", "::ffff:198.51.100.1", false],
		["a /64 of IPv6", "2001:db8:0:1::1", "2001:db8:0:1:ffff::9", true],
		["a /64 of IPv6, however it is written", "2001:db8::1:2", "2001:0DB8:0:0:0::5", true],
		["another /64 of IPv6", "2001:db8:0:1::1", "2001:db8:0:2::1", false],
		["a /64 before all zeros", "2001:db8:0:1::", "2001:db8:0:1::1", true],
		["a /64 with a zone", "fe80::1%eth0", "fe80::2%eth1", true],
		["whoever is on this machine", "::1", "::", true],
		["nobody where there is no address", "", "", true],
	])("%s: %s and %s", (_name, one, other, isSame) => {
		expect(nameOf(one) === nameOf(other)).toBe(isSame);
	});
});

test("guesses are refused after as many wrong ones as are allowed, and right ones cost nothing", () => {
	const guess = limitGuesses(2, () => "a");
	for (let times = 0; times < 5; times += 1) expect(guess(request, () => "found")).toBe("found");
	for (let times = 0; times < 2; times += 1) expect(guess(request, () => undefined)).toBeUndefined();
	expect(() => guess(request, () => "found")).toThrow(refused);
});
