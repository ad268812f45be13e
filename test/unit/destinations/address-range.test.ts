import { describe, expect, it } from "vitest";
import { isPublicAddress, isPublicHost, mayConnect } from "../../../server/destinations/address-range.ts";

describe("an address is public", () => {
	it.each([
		"8.8.8.8",
		"1.1.1.1",
		"100.63.255.255",
		"172.32.0.1",
		"192.167.0.1",
		"2606:4700::1111",
		"::ffff:8.8.8.8",
		"64:ff9b::808:808",
	])("%s", (address) => expect(isPublicAddress(address)).toBe(true));
	it.each([
		...["0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255"],
		...["192.0.0.8", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1"],
		...["224.0.0.1", "240.0.0.1", "255.255.255.255"],
		...["::", "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"],
		...[
			"::ffff:10.0.0.1",
			"::ffff:a9fe:a9fe",
			"::ffff:7f00:1",
			"::10.0.0.1",
			"64:ff9b::a00:1",
			"64:ff9b::169.254.169.254",
		],
		...["64:ff9b:1::1", "2002:a00:1::", "2001:0:1::1", "2001:db8::1", "3fff::1", "not an address", ""],
	])("not: %s", (address) => expect(isPublicAddress(address)).toBe(false));
});

it.each([
	["https://hooks.example/x", true],
	["https://[2606:4700::1111]/", true],
	["https://2130706433/", true],
	["http://localhost:3000/", true],
	["http://127.0.0.1:3000/", true],
	["http://[::1]/", true],
	["https://0x0a000001/", false],
	["https://167772161/", false],
	["https://10.1/", false],
	["https://0/", false],
	["https://[::ffff:10.0.0.1]/", false],
	["https://169.254.169.254/latest/meta-data", false],
])("the host of %s may be public: %s", (url, is) => expect(isPublicHost(url)).toBe(is));

it("a loopback address is connected to only if the URL names this machine", () => {
	expect(mayConnect("http://localhost/", "127.0.0.1")).toBe(true);
	expect(mayConnect("http://localhost/", "::1")).toBe(true);
	expect(mayConnect("http://localhost/", "10.0.0.1")).toBe(false);
	expect(mayConnect("https://rebound.example/", "127.0.0.1")).toBe(false);
	expect(mayConnect("https://rebound.example/", "::1")).toBe(false);
});
