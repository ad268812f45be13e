import type { RequestHandler } from "express";
import { isLoopback } from "./loopback.ts";
import { RequestError } from "./problem.ts";

/** Captures the texts before and after the star of `https://*.shop.example:8443`. */
const starred = /^(https?:\/\/)\*(\.[^.*]+(?:\.[^.*]+)+)$/;
/** Matches the part of a host that a star stands for: one subdomain or several nested ones, as browsers write them. */
// Guard (SECURITY.md): subdomain-labels
const subdomains = /^[a-z\d_-]+(?:\.[a-z\d_-]+)*$/;

/** Matches origins of apps and browser extensions, whose schemes have no origin of their own in the URL standard. */
const appOrigin =
	/^(?:capacitor|ionic|tauri|wails|electron|app|ms-appx-web|vscode-webview|(?:chrome|moz|safari-web|ms-browser)-extension):\/\/[A-Za-z\d][A-Za-z\d.-]*(?::\d+)?$/;

const isOrigin = (value: string) =>
	appOrigin.test(value) || (URL.canParse(value) && /^https?:\/\//.test(value) && new URL(value).origin === value);

/** Writes an origin, or a pattern of origins, in ASCII as browsers send it, if its host has other characters. */
export function asciiOrigin(value: string): string {
	if (!/^https?:\/\/[^/?#@\\\s]*[^\0-\x7f][^/?#@\\\s]*\/?$/i.test(value)) return value;
	// A letter stands in for the star, which a URL cannot have.
	const plain = value.replace("://*.", "://x.");
	if (!URL.canParse(plain)) return value;
	const { origin } = new URL(plain);
	return plain === value ? origin : origin.replace("://x.", "://*.");
}

/**
 * Origin that browsers send for every page without an origin of its own, such as a sandboxed frame.
 * https://html.spec.whatwg.org/multipage/browsers.html#concept-origin-opaque
 */
export const opaqueOrigin = "null";

/**
 * Recognises an origin, `null`, and an origin with `*.` before a host of at least two labels. With one label, the star
 * would allow a whole top-level domain.
 */
export function isOriginPattern(value: string): boolean {
	if (value === opaqueOrigin) return true;
	const [, scheme, rest = ""] = starred.exec(value) ?? [];
	if (scheme === undefined) return isOrigin(value) && !value.includes("*");
	// Rules out IP addresses, which have no subdomains: x.127.0.0.1 is not a valid host.
	return isOrigin(`${scheme}x${rest}`);
}

/**
 * Matches an origin against a pattern. `https://*.shop.example` matches `https://www.shop.example` and
 * `https://a.b.shop.example`, but not `https://shop.example`, another scheme or another port.
 */
function matches(origin: string, pattern: string): boolean {
	if (!pattern.includes("*")) return origin === pattern;
	const [, scheme = "", rest = ""] = starred.exec(pattern) ?? [];
	const hasSameEnds = origin.startsWith(scheme) && origin.endsWith(rest);
	return hasSameEnds && subdomains.test(origin.slice(scheme.length, -rest.length));
}

/**
 * Tells whether a page of this origin may send events. Sandbox mode also allows loopback origins and requests without
 * an origin.
 */
export function originAllowed(origin: string | undefined, allowed: readonly string[], sandbox: boolean): boolean {
	if (origin === undefined) return sandbox;
	return allowed.some((pattern) => matches(origin, pattern)) || (sandbox && isLoopback(origin));
}

/**
 * Lets pages of every site's origins read the answers. The body, read later, tells which site's origins count for the
 * request. Error answers are readable everywhere, see `sendProblem`, so that a page learns that its origin is not listed.
 */
export function cors(allowed: readonly string[], sandbox: boolean): RequestHandler {
	return (request, response, next) => {
		const { origin } = request.headers;
		response.vary("Origin");
		response.locals.hasReadableProblems = request.method !== "OPTIONS";
		// Guard (SECURITY.md): readable-origins
		if (origin !== undefined && originAllowed(origin, allowed, sandbox)) {
			response.set({ "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "Retry-After" });
		}
		next();
	};
}

/**
 * Answers preflights: https://fetch.spec.whatwg.org/#cors-preflight-fetch. `method` and `headers` are those that a page
 * may use.
 */
export function preflight(
	allowed: readonly string[],
	sandbox: boolean,
	{ method = "POST", headers = "content-type, content-encoding" } = {},
): RequestHandler {
	return ({ headers: { origin } }, response) => {
		if (origin === undefined || !originAllowed(origin, allowed, sandbox)) {
			throw new RequestError("origin_not_allowed", "no site has this page's origin in its `origins`");
		}
		response
			.set({
				"Access-Control-Allow-Methods": method,
				"Access-Control-Allow-Headers": headers,
				"Access-Control-Max-Age": "86400",
			})
			.sendStatus(204);
	};
}
