import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Answers } from "./child.ts";
import { browserHeaders, event, writeKey } from "./events.ts";
import { listen } from "./listen.ts";

/** Posts one event at a time and is the provider too, so that a single clock measures the whole way. */
export async function play(): Promise<Answers> {
	let arrived = () => {};
	const sink = await listen(
		createServer((request, response) => {
			request.resume().once("end", () => {
				arrived();
				response.writeHead(200, { "content-type": "application/json" }).end("{}");
			});
		}),
	);
	let posted = 0;

	/** Posts an event; resolves to the ms until it arrives at the provider. */
	async function once(url: string): Promise<number> {
		const reached = new Promise<void>((done) => {
			arrived = done;
		});
		posted += 1;
		const body = JSON.stringify({
			writeKey,
			sentAt: Date.now(),
			events: [event(0, `visitor${posted % 20}@example.com`)],
		});
		const since = performance.now();
		const accepted = fetch(url, { method: "POST", headers: browserHeaders, body }).then((response) => response.text());
		await reached;
		const took = performance.now() - since;
		await accepted;
		return took;
	}

	return {
		url: () => sink,
		/** Measures the URLs in turn, with short pauses; resolves to the times in ms, by URL. */
		async compare({ urls, times }: { urls: string[]; times: number }) {
			const results: number[][] = urls.map(() => []);
			for (let time = 0; time < times; time += 1) {
				for (const [index, url] of urls.entries()) {
					results[index]?.push(await once(url));
					await delay(5);
				}
			}
			return results;
		},
	};
}
