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

function told(value: TrustProxy, remoteAddress: string, forwarded?: string): string {
	return clientAddress(value)(request(remoteAddress, forwarded));
}

describe("a client's address is", () => {
	test.each<[string, TrustProxy, string, string | undefined, string]>([
		["the socket's where nobody is trusted", false, "192.0.2.9", "198.51.100.1", "192.0.2.9"],
		["the socket's behind no proxies", 0, "192.0.2.9", "198.51.100.1", "192.0.2.9"],
		["the socket's where nothing was forwarded", 1, "192.0.2.9", undefined, "192.0.2.9"],
		[
			"what the one proxy adds, whatever the client had written",
			1,
			"10.0.0.1",
			"9.9.9.9, 198.51.100.1",
			"198.51.100.1",
		],
		[
			"what the nearest proxy adds where there is said to be one, not what a client invents",
			true,
			"10.0.0.1",
			"9.9.9.9, 198.51.100.1",
			"198.51.100.1",
		],
		[
			"what the second of two proxies has from the first",
			2,
			"10.0.0.1",
			"9.9.9.9, 198.51.100.1, 10.0.0.2",
			"198.51.100.1",
		],
		["what a trusted address says", "10.0.0.0/8", "10.0.0.1", "9.9.9.9, 198.51.100.1", "198.51.100.1"],
		["not what another address says", "10.0.0.0/8", "11.0.0.1", "198.51.100.1", "11.0.0.1"],
		["what loopback says, also as mapped IPv4", "loopback", "::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"],
		["an IPv6 one as well", ["::1", "uniquelocal"], "::1", "2001:db8::7, fd00::1", "2001:db8::7"],
		["the proxy's where it adds no address", 1, "10.0.0.1", "unknown", "10.0.0.1"],
		["the proxy's where it adds nothing", 1, "10.0.0.1", "", "10.0.0.1"],
		["the nearest proxy's where the one before it adds no address", 3, "10.0.0.1", "9.9.9.9, unknown", "10.0.0.1"],
	])("%s", (_name, value, socket, forwarded, expected) => {
		expect(told(value, socket, forwarded)).toBe(expected);
	});

	test("told with a warning, once, where addresses are forwarded and nothing is said of proxies", () => {
		const warnings: string[] = [];
		const untold = clientAddress(undefined, (message) => warnings.push(message));
		untold(request("192.0.2.9"));
		expect(warnings).toEqual([]);
		for (let times = 0; times < 2; times += 1) untold(request("192.0.2.9", "198.51.100.1"));
		expect(warnings).toEqual([expect.stringContaining("EVENTFERRY_TRUST_PROXY")]);
		clientAddress(false, (message) => warnings.push(message))(request("192.0.2.9", "198.51.100.1"));
		expect(warnings).toHaveLength(1);
	});

	const address = fc.oneof(
		fc.constantFrom("127.0.0.1", "::1", "10.1.2.3", "192.168.0.1", "fd00::1", "fe80::2", "::ffff:10.0.0.1"),
		fc.ipV4(),
		fc.ipV6(),
	);
	test("what Express makes of the same setting, of any chain of addresses", () => {
		const setting = fc.constantFrom<number | string | string[]>(
			...[0, 1, 2, 3, "loopback", "loopback, uniquelocal", "10.0.0.0/8,127.0.0.1,::1"],
			["linklocal", "fd00::/8", "192.168.0.0/16"],
		);
		fc.assert(
			fc.property(setting, address, fc.array(address, { minLength: 1, maxLength: 5 }), (value, socket, chain) => {
				const app = express().set("trust proxy", value);
				const asExpress = Object.setPrototypeOf(request(socket, chain.join(", ")), app.request);
				asExpress.app = app;
				expect(told(value, socket, chain.join(", "))).toBe(asExpress.ip);
			}),
			{ numRuns: 1_000 },
		);
	});
});
