import type { RequestHandler, Response } from "express";
import type { LiveLine } from "../../shared/admin.ts";
import { RequestError } from "../http/problem.ts";
import type { Activity } from "../observe/activity.ts";

/** How often a line is sent where nothing happens, so that both sides know that the other is there. */
const heartbeatMs = 15_000;
/** Bytes that may wait for somebody who reads slowly; more, and they are dropped: they can come again. */
const behindBytes = 1_048_576;
/** Who watches at the same time. */
const viewersMost = 100;

export interface LiveStream {
	/** Answers `GET /admin/live`: a line of JSON for each request to a provider, the latest ones first. */
	route: RequestHandler;
	/** Ends all streams; an open one would keep a server from closing. */
	end(): void;
}

export function createLiveStream(activity: Activity, now: () => number): LiveStream {
	const viewers = new Set<Response>();

	const route: RequestHandler = (request, response) => {
		if (viewers.size >= viewersMost) {
			throw new RequestError("rate_limited", "too many watch already", { retryAfter: heartbeatMs / 1_000 });
		}
		response.set({
			"Content-Type": "application/x-ndjson; charset=utf-8",
			"Cache-Control": "no-store, no-transform",
			// nginx would keep lines back.
			"X-Accel-Buffering": "no",
		});
		response.flushHeaders();
		if (request.method === "HEAD") return void response.end();
		viewers.add(response);
		const write = (line: LiveLine) => {
			if (response.writableLength > behindBytes) response.destroy();
			else response.write(`${JSON.stringify(line)}\n`);
		};
		const { latest, stop } = activity.watch(write);
		for (const each of latest) write(each);
		const beat = () => write({ kind: "heartbeat", at: now() });
		if (latest.length === 0) beat();
		const beating = setInterval(beat, heartbeatMs);
		beating.unref();
		response.once("close", () => {
			clearInterval(beating);
			stop();
			viewers.delete(response);
		});
	};

	return {
		route,
		end() {
			for (const response of viewers) response.end();
		},
	};
}
