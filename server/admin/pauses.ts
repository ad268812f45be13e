import type { Request, RequestHandler, Response } from "express";
import type { Logger } from "pino";
import type { PauseReply } from "../../shared/admin.ts";
import { RequestError } from "../http/problem.ts";
import type { Route } from "../http/route.ts";
import { type Observed, worstState } from "../observe/observed.ts";
import { requestId } from "../observe/request-log.ts";
import { postPause, postResume } from "./operations.ts";

const told = { pause: "an operator paused the destination", resume: "an operator resumed the destination" };

/** Makes the routes by which operators pause and resume a destination, of every site that has it. */
export function pauseRoutes({ outbox, deliveries }: Pick<Observed, "outbox" | "deliveries">, log: Logger): Route[] {
	const order = (verb: keyof typeof told): RequestHandler =>
		async function order(request: Request, response: Response): Promise<void> {
			outbox();
			const destination = String(request.params.name);
			const all = deliveries().filter(({ provider }) => provider.name === destination);
			if (all.length === 0) throw new RequestError("not_found", "no site has a destination of this name");
			await Promise.all(all.map(({ dispatcher }) => dispatcher[verb]()));
			// The name is one of the configuration's.
			log.warn({ destination, requestId: requestId(response) }, told[verb]);
			response.json({ destination, state: worstState(all).kind } satisfies PauseReply);
		};
	return [
		{ path: "/admin/destinations/:name/pause", post: [postPause, order("pause")] },
		{ path: "/admin/destinations/:name/resume", post: [postResume, order("resume")] },
	];
}
