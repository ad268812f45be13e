import type { Request } from "express";
import { isLoopback } from "./loopback.ts";

/** Headers that reverse proxies add, whichever of them they are set up to. */
const ofProxies = /^(forwarded|via|x-forwarded-.*|x-real-ip|cf-connecting-ip|true-client-ip)$/;

/**
 * Recognises requests that need no secret in sandbox mode: sent from this machine, not through a proxy on it, not by a
 * page of another origin, and to a loopback name (against https://en.wikipedia.org/wiki/DNS_rebinding).
 */
export function fromThisMachine({ headers: { host, origin, ...headers }, socket }: Request): boolean {
	const isLocal = /^(::1|(::ffff:)?127\.[\d.]+)$/.test(socket.remoteAddress ?? "");
	const isForwarded = Object.keys(headers).some((name) => ofProxies.test(name));
	return (
		isLocal &&
		// Guard (SECURITY.md): sandbox-not-forwarded
		!isForwarded &&
		host !== undefined &&
		!host.includes("@") &&
		// Guard (SECURITY.md): sandbox-host
		isLoopback(`http://${host}`) &&
		// Guard (SECURITY.md): sandbox-origin
		(origin === undefined || origin === `http://${host}`)
	);
}
