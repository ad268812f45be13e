import { Agent, request } from "node:http";
import type { SimulatedClock } from "./clock.ts";
import type { Random } from "./random.ts";

/** What the way to the proxy brings back. */
export interface Answer {
	status: number;
	headers: Record<string, string>;
	body: string;
}

/** How a browser stands to the network. */
export interface Line {
	isOffline: boolean;
	/** The part of requests that get lost on their way, and as many answers. */
	loss: number;
	/** Mean ms one way. */
	latencyMs: number;
}

export interface Network {
	/** Where the proxy listens now; undefined while it does not. */
	proxy: string | undefined;
	/** Real HTTP; rejects where nobody listens. */
	post(path: string, body: string, headers: Record<string, string>): Promise<Answer>;
	/** The same over a visitor's line, which takes its time and may lose it: then it never resolves. */
	over(line: Line, random: Random, send: () => Promise<Answer>): Promise<Answer>;
	/** Counts what happens on the way, in order. */
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
