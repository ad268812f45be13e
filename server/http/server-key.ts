import type { RequestHandler } from "express";
import { RequestError } from "./problem.ts";
import type { Guess } from "./rate-limit.ts";
import { bearer, sameSecret } from "./secret.ts";

/** Lets backends in alone, before a body is read: whose it is, by the server key it bears, is `response.locals.site` then. */
export function backendOnly(sites: readonly { serverKey?: string | undefined }[], guess: Guess): RequestHandler {
	return (request, response, next) => {
		const key = bearer(request.headers.authorization) ?? "";
		const site = guess(request, () =>
			sites.find(({ serverKey }) => serverKey !== undefined && sameSecret(key, serverKey)),
		);
		if (!site)
			throw new RequestError(
				"invalid_server_key",
				"no site has this server key: send Authorization: Bearer and the key",
			);
		response.locals.site = site;
		next();
	};
}
