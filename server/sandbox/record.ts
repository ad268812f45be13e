import type { IncomingHttpHeaders } from "node:http";
import express, { type RequestHandler } from "express";
import type { Destination } from "./provider.ts";

/** One request as a simulated provider received it. */
export interface SandboxRequest {
	/** Counts from 1, in the order received, over all destinations. */
	number: number;
	/** When it was received, ms since the epoch. */
	at: number;
	destination: Destination;
	method: string;
	/** Raw, as received, without the base and the query: `/website/…/people/events/ada%40example.com`. */
	path: string;
	/** Raw, without the question mark. Absent when there is none. */
	query?: string;
	/** Lower-case names; credentials are masked, only their scheme is left. */
	headers: Record<string, string>;
	/** Parsed when it is JSON, else the text. Absent when there is none. */
	body?: unknown;
	/** Absent while the answer is held back by a delay, and for good when the connection ended without one. */
	status?: number;
}

const kept = 10_000;
const readText = express.text({ type: () => true, limit: "1mb" });

/** Everything received, the last 10,000 of it, and those who wait for it. */
export function createRecord() {
	let requests: SandboxRequest[] = [];
	let lastNumber = 0;
	const listeners = new Set<(request: SandboxRequest) => void>();
	const waiting = new Set<{ check(): void; fail(error: Error): void }>();
	const wake = () => {
		for (const waiter of waiting) waiter.check();
	};
	const list = (destination?: Destination) =>
		requests.filter((request) => destination === undefined || request.destination === destination);

	return {
		/** The current requests, oldest first. */
		list,

		/** Reads the body and notes the request, whatever becomes of it. */
		receive: (destination: Destination): RequestHandler => {
			return (request, response, next) =>
				readText(request, response, (error) => {
					const [path = "/", query] = request.url.split(/\?(.*)/s);
					const received: SandboxRequest = {
						number: ++lastNumber,
						at: Date.now(),
						destination,
						method: request.method,
						path,
						...(query && { query }),
						headers: masked(request.headers),
						...(typeof request.body === "string" && { body: parsed(request.body) }),
					};
					requests.push(received);
					if (requests.length > kept) requests = requests.slice(-kept);

					let settled = false;
					const settle = () => {
						if (settled) return;
						settled = true;
						if (response.headersSent) received.status = response.statusCode;
						for (const listener of listeners) listener(received);
						wake();
					};
					// "finish" comes a turn after whoever asked may already have the answer.
					const { writeHead } = response;
					response.writeHead = (...parts: unknown[]) => {
						const written = Reflect.apply(writeHead, response, parts);
						settle();
						return written;
					};
					response.once("close", settle);

					next(error);
					// Providers answer at once; only a request that a fault holds back is unanswered here.
					if (!settled) wake();
				});
		},

		/** Calls the listener once for each request, when it is answered or its connection has ended. */
		onRequest(listener: (request: SandboxRequest) => void): () => void {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},

		/** Resolves to what `find` finds, once it finds something; asked again with each request. */
		when<Found>(
			find: (requests: SandboxRequest[]) => Found | undefined,
			{ destination, timeoutMs = 10_000 }: { destination?: Destination; timeoutMs?: number } = {},
		): Promise<Found> {
			const { promise, resolve, reject } = Promise.withResolvers<Found>();
			const waiter = {
				check() {
					try {
						const found = find(list(destination));
						if (found !== undefined) resolve(found);
					} catch (error) {
						reject(error);
					}
				},
				fail: reject,
			};
			const timer = setTimeout(() => {
				reject(
					new Error(`The sandbox did not receive what was waited for in ${timeoutMs} ms. ${told(list(destination))}`),
				);
			}, timeoutMs);
			waiting.add(waiter);
			waiter.check();
			return promise.finally(() => {
				clearTimeout(timer);
				waiting.delete(waiter);
			});
		},

		clear(): void {
			requests = [];
		},

		/** Fails whoever still waits. */
		stop(): void {
			for (const waiter of waiting) waiter.fail(new Error(`The sandbox was stopped. ${told(requests)}`));
		},
	};
}

const secretHeaders = new Set(["authorization", "proxy-authorization", "cookie"]);

function masked(headers: IncomingHttpHeaders): Record<string, string> {
	return Object.fromEntries(
		Object.entries(headers).map(([name, value]) => {
			const text = String(value);
			if (!secretHeaders.has(name)) return [name, text];
			const scheme = /^(Basic|Bearer) /.exec(text)?.[0] ?? "";
			return [name, `${scheme}***`];
		}),
	);
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}

function told(requests: SandboxRequest[]): string {
	if (requests.length === 0) return "It received nothing.";
	const lines = requests
		.slice(-50)
		.map(({ number, destination, method, path, status, body }) =>
			[number, destination, method, path, status ?? "unanswered", JSON.stringify(body)?.slice(0, 200)].join(" "),
		);
	return `It received ${requests.length}, most recently:\n${lines.join("\n")}`;
}
