import type { RequestHandler } from "express";
import { RequestError } from "./problem.ts";
import type { Guess, IsCompared } from "./rate-limit.ts";
import { bearer, sameSecret } from "./secret.ts";
import { fromThisMachine } from "./this-machine.ts";

/**
 * Refuses a request without a site's server key before its body is read. Sets `response.locals.site` to that site. In
 * sandbox mode, requests from this machine need no key; they are of the first site.
 */
export function backendOnly(
	sites: readonly { serverKey?: string | undefined }[],
	guess: Guess,
	{ sandbox = false } = {},
): RequestHandler {
	return (request, response, next) => {
		const given = bearer(request.headers.authorization);
		const isOpen = sandbox && given === undefined && fromThisMachine(request);
		// Guard (SECURITY.md): server-key
		const byKey = (isCompared: IsCompared) =>
			sites.find(
				({ serverKey }) => serverKey !== undefined && isCompared(serverKey) && sameSecret(given ?? "", serverKey),
			);
		const site = isOpen ? sites[0] : guess(request, byKey);
		if (!site)
			throw new RequestError(
				"invalid_server_key",
				"no site has this server key: send it as Authorization: Bearer <server key>",
			);
		response.locals.site = site;
		next();
	};
}
