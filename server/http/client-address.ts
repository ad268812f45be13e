import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import proxyAddr from "proxy-addr";

/** The proxies in front of the server: their number, or their addresses. */
export type TrustProxy = boolean | number | string | string[];

export const trustProxyHint =
	"must be the number of proxies in front (1, or true), or their addresses, for example loopback or 10.0.0.0/8, but not all addresses (/0), with which every sender could choose its own address";

/** Largest number of proxies that can be configured. */
const proxiesMost = 30;

type IsTrusted = (address: string, hops: number) => boolean;

/**
 * Makes the test whether a peer may name its client in `X-Forwarded-For`. Returns undefined for an invalid setting.
 * Addresses are written as for Express: https://expressjs.com/en/guide/behind-proxies.html
 */
export function trustedProxies(value: TrustProxy): IsTrusted | undefined {
	// Unlike in Express, true means one proxy: with trust in the whole header, any client could name any address.
	if (typeof value === "boolean") return trustedProxies(value ? 1 : 0);
	if (typeof value === "number") {
		return value >= 0 && value <= proxiesMost ? (address, hops) => hops < value && isIP(address) !== 0 : undefined;
	}
	try {
		return proxyAddr.compile([value].flat().flatMap((list) => list.split(",").map((entry) => entry.trim())));
	} catch {
		return undefined;
	}
}

/** Removes the port and the brackets with which some proxies write an address: `192.0.2.7:4711`, `[2001:db8::7]:4711`. */
const bare = (address: string): string =>
	/^\[([^\]]*)\](?::\d+)?$/.exec(address)?.[1] ?? address.replace(/^([\d.]+):\d+$/, "$1");

/** Addresses all over the internet, in no network of a cloud or a content delivery network. */
const strangers = [
	...[5, 21, 37, 53, 69, 85, 101, 117, 133, 149, 165, 181, 197, 213].map((first) => `${first}.234.56.78`),
	...["2123:4567::1", "3123:4567::1"],
];

/** Tells whether the addresses given as proxies include large parts of the internet, as `0.0.0.0/1` does. */
export function trustsStrangers(value: TrustProxy): boolean {
	const isTrusted = typeof value === "string" || Array.isArray(value) ? trustedProxies(value) : undefined;
	return isTrusted !== undefined && strangers.some((address) => isTrusted(address, 0));
}

export const ignoredHeader =
	"a request has the header X-Forwarded-For, which is ignored: if it comes from your own proxy, all visitors share one rate limit. Set EVENTFERRY_TRUST_PROXY to the number of proxies in front";

/**
 * Makes a function that returns the client's address of a request: counted from the server, the first address that is
 * not a trusted proxy's, or the last valid one before it. Ignores `trust proxy` of the app around the router. Without a
 * setting, calls `warn` once when a request has an `X-Forwarded-For`.
 */
export function clientAddress(
	trustProxy?: TrustProxy,
	warn: (message: string) => void = () => {},
): (request: IncomingMessage) => string {
	// Guard (SECURITY.md): trusted-proxies
	const isTrusted = trustedProxies(trustProxy ?? false) ?? (() => false);
	let isWarned = trustProxy !== undefined;
	return (request) => {
		if (!isWarned && request.headers["x-forwarded-for"] !== undefined) {
			isWarned = true;
			warn(ignoredHeader);
		}
		const trusted = proxyAddr.all(request, (address, hops) => isTrusted(bare(address), hops));
		return trusted.map(bare).findLast((address) => isIP(address) !== 0) ?? "";
	};
}
