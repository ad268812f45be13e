import type { IncomingMessage, ServerResponse } from "node:http";
import { type LiveLine, liveQuerySchema } from "../../shared/admin.ts";
import { parseInput, queryOf } from "../http/parse-request.ts";
import { RequestError } from "../http/problem.ts";
import type { Activity } from "../observe/activity.ts";

/** Interval of heartbeat lines, ms: they keep proxies in between from closing an idle stream. */
const heartbeatMs = 15_000;
/** Bytes that may wait for a slow reader. Above this the stream is closed; the reader can connect again. */
const unsentBytesMost = 1_048_576;
/** Streams open at the same time at most. */
const viewersMost = 100;

export type LiveStream = ReturnType<typeof createLiveStream>;

export function createLiveStream(activity: Activity, now: () => number) {
	const viewers = new Set<ServerResponse>();

	/** Answers with a line of JSON for each request to a provider, beginning with the latest past ones. */
	function answer(request: IncomingMessage, response: ServerResponse): void {
		if (viewers.size >= viewersMost) {
			throw new RequestError("rate_limited", "too many live streams: close one", { retryAfter: heartbeatMs / 1_000 });
		}
		const { show } = parseInput(liveQuerySchema, queryOf(request));
		response.writeHead(200, {
			"Content-Type": "application/x-ndjson; charset=utf-8",
			"Cache-Control": "no-store, no-transform",
			// Without this, nginx buffers lines: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
			"X-Accel-Buffering": "no",
		});
		response.flushHeaders();
		if (request.method === "HEAD") return void response.end();
		// A reader that pauses is bounded by `unsentBytesMost`, not by time.
		request.socket.setTimeout(0);
		viewers.add(response);
		const write = (line: LiveLine) => {
			if (response.writableLength > unsentBytesMost) response.destroy();
			else response.write(`${JSON.stringify(line)}\n`);
		};
		const { latest, stop } = activity.watch(write, show === "true");
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
	}

	return {
		answer,
		/** Ends all streams, because an open one keeps the server from closing. */
		end(): void {
			for (const response of viewers) response.end();
		},
	};
}
