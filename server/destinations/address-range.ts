import { BlockList, isIPv4, isIPv6 } from "node:net";
import { isLoopback } from "../http/loopback.ts";

/** Ranges that are not of the public internet: https://www.iana.org/assignments/iana-ipv4-special-registry */
const special4: [string, number][] = [
	["0.0.0.0", 8],
	["10.0.0.0", 8],
	["100.64.0.0", 10],
	["127.0.0.0", 8],
	["169.254.0.0", 16],
	["172.16.0.0", 12],
	["192.0.0.0", 24],
	["192.0.2.0", 24],
	["192.88.99.0", 24],
	["192.168.0.0", 16],
	["198.18.0.0", 15],
	["198.51.100.0", 24],
	["203.0.113.0", 24],
	["224.0.0.0", 3],
];
/** Ranges within 2000::/3 that are not public, or have an IPv4 address in them: https://www.iana.org/assignments/iana-ipv6-special-registry */
const special6: [string, number][] = [
	["2001::", 23],
	["2001:db8::", 32],
	["2002::", 16],
	["3fff::", 20],
];

const special = new BlockList();
for (const [net, bits] of special4) special.addSubnet(net, bits, "ipv4");
for (const [net, bits] of special6) special.addSubnet(net, bits, "ipv6");
const unicast = new BlockList();
unicast.addSubnet("2000::", 3, "ipv6");
/** Ranges whose last 32 bits are an IPv4 address to which a packet goes: NAT64. */
const translated = new BlockList();
translated.addSubnet("64:ff9b::", 96, "ipv6");
const mapped = new BlockList();
mapped.addSubnet("::ffff:0:0", 96, "ipv6");

/** Returns the IPv4 address in the last 32 bits of an IPv6 address. */
function lastOf(address: string): string {
	const [, high = "0", low = "0"] =
		/(?:^|:)([\da-f]*):([\da-f]*)\]$/.exec(new URL(`http://[${address}]`).hostname) ?? [];
	const [a, b] = [Number.parseInt(high || "0", 16), Number.parseInt(low || "0", 16)];
	return [a >> 8, a & 255, b >> 8, b & 255].join(".");
}

/** Tells whether an IP address is of the public internet. */
export function isPublicAddress(address: string): boolean {
	if (isIPv4(address)) return !special.check(address, "ipv4");
	if (!isIPv6(address) || address.includes("%")) return false;
	if (mapped.check(address, "ipv6") || translated.check(address, "ipv6")) return isPublicAddress(lastOf(address));
	return unicast.check(address, "ipv6") && !special.check(address, "ipv6");
}

const isLoopbackAddress = (address: string) => isLoopback(`http://${isIPv6(address) ? `[${address}]` : address}`);

/**
 * Tells whether a request to this URL may be sent to an IP address: a public one, or a loopback one if the URL names
 * this machine.
 */
export const mayConnect = (url: string, address: string): boolean =>
	isPublicAddress(address) || (isLoopback(url) && isLoopbackAddress(address));

/** Tells whether a URL's host may be public: a name, whose addresses are not known yet, or an address that is. */
export function isPublicHost(url: string): boolean {
	if (!URL.canParse(url)) return true;
	const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
	return !(isIPv4(host) || isIPv6(host)) || mayConnect(url, host);
}
