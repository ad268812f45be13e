import { Agent, request } from "node:http";
import type { Answers } from "./child.ts";
import { batchSize, browserHeaders, createBatches } from "./events.ts";

export interface Load {
	url: string;
	ms: number;
	connections: number;
	/** Leaves updates out: the proxy sends several updates as one request, or none if nothing changes. */
	tracksOnly: boolean;
	/** Says the events as calls of Segment's API, to its door beside the URL. */
	asSegment?: boolean;
}

export interface Loaded {
	events: number;
	/** Events per second until the last answer. */
	rate: number;
}

/** Posts batches over keep-alive connections; each connection posts the next batch once the last was answered. */
async function round({ url, ms, connections, tracksOnly, asSegment = false }: Load): Promise<Loaded> {
	const [target, success] = asSegment ? [url.replace("/v1/", "/segment/v1/"), 200] : [url, 202];
	const agent = new Agent({ keepAlive: true, maxSockets: connections });
	const started = performance.now();
	let requests = 0;
	const post = (body: Buffer) =>
		new Promise<void>((done, failed) => {
			const headers = { ...browserHeaders, "content-length": body.length };
			const sent = request(target, { method: "POST", agent, headers }, (response) => {
				response.resume().once("end", done);
				if (response.statusCode !== success)
					failed(new Error(`the server answered ${response.statusCode} instead of ${success}`));
			});
			sent.once("error", failed).end(body);
		});
	async function connection(_: unknown, index: number): Promise<void> {
		const next = createBatches(index, tracksOnly, asSegment);
		while (performance.now() - started < ms) {
			await post(next());
			requests += 1;
		}
	}
	await Promise.all(Array.from({ length: connections }, connection));
	const seconds = (performance.now() - started) / 1_000;
	agent.destroy();
	return { events: requests * batchSize, rate: (requests * batchSize) / seconds };
}

export const play = (): Answers => ({ round });
