import type { RequestHandler } from "express";
import { RequestError } from "./problem.ts";
import type { Guess } from "./rate-limit.ts";
import { bearer, sameSecret } from "./secret.ts";

/** Refuses a request without a site's server key before its body is read. Sets `response.locals.site` to that site. */
export function backendOnly(sites: readonly { serverKey?: string | undefined }[], guess: Guess): RequestHandler {
	return (request, response, next) => {
		const key = bearer(request.headers.authorization) ?? "";
		// Guard (SECURITY.md): server-key
		const site = guess(request, (isCompared) =>
			sites.find(({ serverKey }) => serverKey !== undefined && isCompared(serverKey) && sameSecret(key, serverKey)),
		);
		if (!site)
			throw new RequestError(
				"invalid_server_key",
				"no site has this server key: send it as Authorization: Bearer <server key>",
			);
		response.locals.site = site;
		next();
	};
}
