import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

/** The proxies in front of us: how many, or their addresses. */
export type TrustProxy = boolean | number | string | string[];

export const trustProxyHint =
	"must be the number of proxies in front (1, or true), or their addresses, for example loopback or 10.0.0.0/8";

/** As Express names them. */
const ranges: Record<string, string[]> = {
	loopback: ["127.0.0.0/8", "::1/128"],
	linklocal: ["169.254.0.0/16", "fe80::/10"],
	uniquelocal: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
};
/** No chain of proxies is longer; whoever sends more addresses is not read further. */
const chainMost = 30;

type IsTrusted = (address: string, hops: number) => boolean;

const familyOf = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4");

/** Whose `X-Forwarded-For` is believed; undefined where the value says no such thing. */
export function trustedProxies(value: TrustProxy): IsTrusted | undefined {
	// True is one proxy: were every word in the header believed, anybody could name any address.
	if (typeof value === "boolean") return trustedProxies(value ? 1 : 0);
	if (typeof value === "number") return value >= 0 && value <= chainMost ? (_address, hops) => hops < value : undefined;
	const entries = [value].flat().flatMap((list) => list.split(",").map((entry) => entry.trim()));
	const list = new BlockList();
	for (const entry of entries.flatMap((name) => (Object.hasOwn(ranges, name) ? (ranges[name] ?? []) : name))) {
		const [, address = "", prefix] = /^([\da-f.:]+)(?:\/(\d{1,3}))?$/i.exec(entry) ?? [];
		const bits = isIP(address) === 6 ? 128 : 32;
		if (isIP(address) === 0 || Number(prefix ?? 0) > bits) return undefined;
		list.addSubnet(address, Number(prefix ?? bits), familyOf(address));
	}
	return (address) => list.check(address, familyOf(address));
}

/**
 * The address a request comes from, as Express tells it for the same `trust proxy` (`true` aside): the last one that no trusted
 * proxy has vouched for. Asked of us alone, so that an app around us keeps its own setting.
 */
export function clientAddress(trustProxy: TrustProxy = false): (request: IncomingMessage) => string {
	const isTrusted = trustedProxies(trustProxy) ?? (() => false);
	return ({ socket, headers }) => {
		let address = socket.remoteAddress ?? "";
		const header = headers["x-forwarded-for"];
		if (header === undefined) return address;
		const named = String(header).split(",").slice(-chainMost).reverse();
		for (const [hops, next] of named.entries()) {
			if (!isTrusted(address, hops) || isIP(next.trim()) === 0) break;
			address = next.trim();
		}
		return address;
	};
}
