import type { RequestHandler } from "express";
import { isLoopback } from "../loopback.ts";
import { RequestError } from "./problem.ts";

/** Whether a page of this origin may post. In sandbox mode any loopback origin and none may. */
export function originAllowed(origin: string | undefined, allowed: readonly string[], sandbox: boolean): boolean {
	if (origin === undefined) return sandbox;
	return allowed.includes(origin) || (sandbox && isLoopback(origin));
}

/**
 * Lets pages of the allowed origins read the answers, errors too, and answers their preflights.
 * Whether an origin belongs to the very site of a batch is asked once the batch names it.
 */
export function cors(allowed: readonly string[], sandbox: boolean): RequestHandler {
	return (request, response, next) => {
		const { origin } = request.headers;
		response.vary("Origin");
		const known = origin !== undefined && originAllowed(origin, allowed, sandbox);
		if (known) {
			response.set({ "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "Retry-After" });
		}
		if (request.method !== "OPTIONS") return next();
		if (!known) throw new RequestError("origin_not_allowed", "pages of this origin may not post here");
		response
			.set({
				"Access-Control-Allow-Methods": "POST",
				"Access-Control-Allow-Headers": "content-type, content-encoding",
				"Access-Control-Max-Age": "86400",
			})
			.sendStatus(204);
	};
}
