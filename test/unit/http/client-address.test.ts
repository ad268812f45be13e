import type { IncomingMessage } from "node:http";
import express from "express";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clientAddress, type TrustProxy } from "../../../server/http/client-address.ts";

const request = (remoteAddress: string, forwarded?: string) =>
	({
		socket: { remoteAddress },
		headers: { ...(forwarded !== undefined && { "x-forwarded-for": forwarded }) },
	}) as IncomingMessage;

function addressOf(value: TrustProxy, remoteAddress: string, forwarded?: string): string {
	return clientAddress(value)(request(remoteAddress, forwarded));
}

describe("a client's address is", () => {
	test.each<[string, TrustProxy, string, string | undefined, string]>([
		["the socket's if no proxy is trusted", false, "192.0.2.9", "198.51.100.1", "192.0.2.9"],
		["the socket's if there are no proxies", 0, "192.0.2.9", "198.51.100.1", "192.0.2.9"],
		["the socket's if nothing was forwarded", 1, "192.0.2.9", undefined, "192.0.2.9"],
		[
			"the address added by the only proxy, not one written by the client",
			1,
			"10.0.0.1",
			"9.9.9.9, 198.51.100.1",
			"198.51.100.1",
		],
		[
			"the address added by the nearest proxy if the setting is true",
			true,
			"10.0.0.1",
			"9.9.9.9, 198.51.100.1",
			"198.51.100.1",
		],
		["the address added by the first of two proxies", 2, "10.0.0.1", "9.9.9.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"],
		["the address added by a trusted proxy", "10.0.0.0/8", "10.0.0.1", "9.9.9.9, 198.51.100.1", "198.51.100.1"],
		["the socket's if it is not the trusted proxy's", "10.0.0.0/8", "11.0.0.1", "198.51.100.1", "11.0.0.1"],
		[
			"the address added by a proxy on loopback, even as IPv4-mapped IPv6",
			"loopback",
			"::ffff:127.0.0.1",
			"198.51.100.1",
			"198.51.100.1",
		],
		[
			"an IPv6 address behind trusted IPv6 proxies",
			["::1", "uniquelocal"],
			"::1",
			"2001:db8::7, fd00::1",
			"2001:db8::7",
		],
		["an address with a port, as Azure writes it", 1, "10.0.0.1", "9.9.9.9, 198.51.100.1:51413", "198.51.100.1"],
		["an IPv6 address in brackets with a port", 1, "10.0.0.1", "9.9.9.9, [2001:db8::7]:51413", "2001:db8::7"],
		["an IPv6 address in brackets", 1, "10.0.0.1", "[2001:db8::7]", "2001:db8::7"],
		[
			"an address before a trusted one with a port",
			"10.0.0.0/8",
			"10.0.0.1",
			"198.51.100.1:1, 10.0.0.2:2",
			"198.51.100.1",
		],
		[
			"an address before the second of two proxies, with ports",
			2,
			"10.0.0.1",
			"198.51.100.1:1, [fd00::2]:2",
			"198.51.100.1",
		],
		["the proxy's if it adds something else in brackets", 1, "10.0.0.1", "[x]:1", "10.0.0.1"],
		["the proxy's if it adds no valid address", 1, "10.0.0.1", "unknown", "10.0.0.1"],
		["the proxy's if it adds nothing", 1, "10.0.0.1", "", "10.0.0.1"],
		["the nearest proxy's if the one before it adds no valid address", 3, "10.0.0.1", "9.9.9.9, unknown", "10.0.0.1"],
	])("%s", (_name, value, socket, forwarded, expected) => {
		expect(addressOf(value, socket, forwarded)).toBe(expected);
	});

	test("accompanied by one warning if addresses are forwarded and no proxy setting is given", () => {
		const warnings: string[] = [];
		const unset = clientAddress(undefined, (message) => warnings.push(message));
		unset(request("192.0.2.9"));
		expect(warnings).toEqual([]);
		for (let times = 0; times < 2; times += 1) unset(request("192.0.2.9", "198.51.100.1"));
		expect(warnings).toEqual([expect.stringContaining("EVENTFERRY_TRUST_PROXY")]);
		clientAddress(false, (message) => warnings.push(message))(request("192.0.2.9", "198.51.100.1"));
		expect(warnings).toHaveLength(1);
	});

	const address = fc.oneof(
		fc.constantFrom("127.0.0.1", "::1", "10.1.2.3", "192.168.0.1", "fd00::1", "fe80::2", "::ffff:10.0.0.1"),
		fc.ipV4(),
		fc.ipV6(),
	);
	test("the same as Express's req.ip, for any setting and any chain of addresses", () => {
		const setting = fc.constantFrom<number | string | string[]>(
			...[0, 1, 2, 3, "loopback", "loopback, uniquelocal", "10.0.0.0/8,127.0.0.1,::1"],
			["linklocal", "fd00::/8", "192.168.0.0/16"],
		);
		fc.assert(
			fc.property(setting, address, fc.array(address, { minLength: 1, maxLength: 5 }), (value, socket, chain) => {
				const app = express().set("trust proxy", value);
				const asExpress = Object.setPrototypeOf(request(socket, chain.join(", ")), app.request);
				asExpress.app = app;
				expect(addressOf(value, socket, chain.join(", "))).toBe(asExpress.ip);
			}),
			{ numRuns: 1_000 },
		);
	});
});
