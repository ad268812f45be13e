import { Agent, request } from "node:http";
import type { SimulatedClock } from "./clock.ts";
import type { Random } from "./random.ts";

/** HTTP answer of the proxy. */
export interface Answer {
	status: number;
	headers: Record<string, string>;
	body: string;
}

/** Connection of a browser to the network. */
export interface Line {
	isOffline: boolean;
	/** Share of requests that are lost on the way; the same share of answers is lost. */
	loss: number;
	/** Mean latency one way, in ms. */
	latencyMs: number;
}

export interface Network {
	/** URL of the proxy; undefined while it is down. */
	proxy: string | undefined;
	/** Posts over real HTTP; rejects while the proxy is down. */
	post(path: string, body: string, headers: Record<string, string>): Promise<Answer>;
	/** Calls `send` over a visitor's line, with its latency. Rejects while it is offline, never settles after a loss. */
	over(line: Line, random: Random, send: () => Promise<Answer>): Promise<Answer>;
	/** Returns the next number, to put requests and answers in order. */
	count(): number;
	close(): void;
}

const refused = () => new TypeError("Failed to fetch");
const never = () => new Promise<never>(() => {});

export function createNetwork({ sleep, during }: Pick<SimulatedClock, "sleep" | "during">): Network {
	const agent = new Agent({ keepAlive: true, maxSockets: 64 });
	let counted = 0;

	function post(url: string, body: string, headers: Record<string, string>): Promise<Answer> {
		return new Promise((resolve, reject) => {
			const sent = request(url, { method: "POST", agent, headers }, (response) => {
				let text = "";
				response.setEncoding("utf8");
				response.on("data", (chunk) => {
					text += chunk;
				});
				response.on("end", () =>
					resolve({
						status: response.statusCode ?? 0,
						headers: response.headers as Record<string, string>,
						body: text,
					}),
				);
				response.on("error", reject);
			});
			sent.on("error", () => reject(refused())).end(body);
		});
	}

	const network: Network = {
		proxy: undefined,
		async post(path, body, headers) {
			if (network.proxy === undefined) throw refused();
			const length = String(Buffer.byteLength(body));
			return during(post(`${network.proxy}${path}`, body, { "content-length": length, ...headers }));
		},
		async over(line, random, send) {
			await sleep(random.around(line.latencyMs));
			if (line.isOffline) throw refused();
			if (random.chance(line.loss)) return never();
			const answer = await send();
			await sleep(random.around(line.latencyMs));
			if (line.isOffline || random.chance(line.loss)) return never();
			return answer;
		},
		count: () => ++counted,
		close: () => agent.destroy(),
	};
	return network;
}
