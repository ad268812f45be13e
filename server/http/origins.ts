import type { RequestHandler } from "express";
import { isLoopback } from "./loopback.ts";
import { RequestError } from "./problem.ts";

/** `https://*.shop.example:8443` → what is before and after the star. */
const starred = /^(https?:\/\/)\*(\.[^.*]+(?:\.[^.*]+)+)$/;
/** What a star stands for: a subdomain, or several one under the other, as a browser writes them. */
const subdomains = /^[a-z\d_-]+(?:\.[a-z\d_-]+)*$/;

const isOrigin = (value: string) =>
	URL.canParse(value) && /^https?:\/\//.test(value) && new URL(value).origin === value;

/** Whether a configuration may name it: an origin, or `*.` before a host that is not a top level alone. */
export function isOriginPattern(value: string): boolean {
	const [, scheme, rest = ""] = starred.exec(value) ?? [];
	if (scheme === undefined) return isOrigin(value) && !value.includes("*");
	// An IP address has no subdomains; with one before it, it is no host at all.
	return isOrigin(`${scheme}x${rest}`);
}

/**
 * Whether an origin is the one a pattern names. `https://*.shop.example` stands for `https://www.shop.example` and
 * `https://a.b.shop.example`, not for `https://shop.example` itself, another scheme or another port.
 */
function matches(origin: string, pattern: string): boolean {
	if (!pattern.includes("*")) return origin === pattern;
	const [, scheme, rest] = starred.exec(pattern) ?? [];
	return (
		scheme !== undefined &&
		rest !== undefined &&
		origin.startsWith(scheme) &&
		origin.endsWith(rest) &&
		subdomains.test(origin.slice(scheme.length, Math.max(scheme.length, origin.length - rest.length)))
	);
}

/** Whether a page of this origin may post. In sandbox mode any loopback origin and none may. */
export function originAllowed(origin: string | undefined, allowed: readonly string[], sandbox: boolean): boolean {
	if (origin === undefined) return sandbox;
	return allowed.some((pattern) => matches(origin, pattern)) || (sandbox && isLoopback(origin));
}

/**
 * Lets pages of the allowed origins read the answers, errors too. Whether an origin is one of the batch's own site is
 * checked later, when the batch has been read.
 */
export function cors(allowed: readonly string[], sandbox: boolean): RequestHandler {
	return (request, response, next) => {
		const { origin } = request.headers;
		response.vary("Origin");
		if (origin !== undefined && originAllowed(origin, allowed, sandbox)) {
			response.set({ "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "Retry-After" });
		}
		next();
	};
}

/** Answers preflights: https://fetch.spec.whatwg.org/#cors-preflight-fetch */
export function preflight(allowed: readonly string[], sandbox: boolean): RequestHandler {
	return ({ headers: { origin } }, response) => {
		if (origin === undefined || !originAllowed(origin, allowed, sandbox)) {
			throw new RequestError("origin_not_allowed", "pages of this origin may not post here");
		}
		response
			.set({
				"Access-Control-Allow-Methods": "POST",
				"Access-Control-Allow-Headers": "content-type, content-encoding",
				"Access-Control-Max-Age": "86400",
			})
			.sendStatus(204);
	};
}
