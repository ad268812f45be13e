import { createServer, type ServerResponse } from "node:http";
import type { Answers } from "./child.ts";
import { listen } from "./listen.ts";

/** Behaviour of the providers' stand-in: it refuses requests for an hour, holds them, or answers them. */
export type Mode = "refuse" | "hold" | "answer";

/** Answer that all three providers' clients take for success; its id answers HelpCrunch's lookup of a customer. */
const success = JSON.stringify({ error: false, reason: "ok", data: [{ id: 1 }] });

/** Runs a server that stands in for the providers. */
export async function play(): Promise<Answers> {
	let mode: Mode = "answer";
	let answered = 0;
	let delayMs = 0;
	const held: ServerResponse[] = [];
	function answer(response: ServerResponse): void {
		answered += 1;
		response.writeHead(200, { "content-type": "application/json" }).end(success);
	}
	const byProvider: Record<string, number> = {};
	const server = createServer((request, response) => {
		const [, provider = ""] = request.url?.split("/") ?? [];
		byProvider[provider] = (byProvider[provider] ?? 0) + 1;
		request.resume().once("end", () => {
			if (mode === "answer" && delayMs > 0) setTimeout(answer, delayMs, response);
			else if (mode === "answer") answer(response);
			else if (mode === "hold") held.push(response);
			else response.writeHead(429, { "retry-after": "3600" }).end();
		});
	});
	const url = await listen(server);
	return {
		url: () => url,
		answered: () => answered,
		/** Returns the number of requests received, by the first segment of their path. */
		byProvider: () => byProvider,
		/** Delays answers by some ms. */
		delay(ms: number) {
			delayMs = ms;
		},
		mode(next: Mode) {
			mode = next;
			if (mode === "answer") for (const response of held.splice(0)) answer(response);
		},
	};
}
