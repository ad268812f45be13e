import { once, setMaxListeners } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import express, { type RequestHandler } from "express";
import type { ProviderName } from "./provider.ts";

/** A request as a simulated provider received it. */
export interface SandboxRequest {
	/** Sequence number among the requests to all providers, from 1, in the order received. */
	number: number;
	/** Time of receipt, ms since the epoch. */
	at: number;
	destination: ProviderName;
	method: string;
	/** Raw path without base and query: `/website/…/people/events/ada%40example.com`. */
	path: string;
	/** Raw query without the question mark. Absent when there is none. */
	query?: string;
	/** Headers by lower-case name. Credentials are masked; only their scheme is left. */
	headers: Record<string, string>;
	/** Body, parsed when it is JSON, else as text. Absent when there is none. */
	body?: unknown;
	/** Status of the answer. Absent while a delay holds the answer back, and when the connection ended without one. */
	status?: number;
}

const maxKept = 10_000;
const readText = express.text({ type: () => true, limit: "1mb" });

/** Keeps the last 10,000 requests received, and lets callers wait for requests. */
export function createRecord() {
	let requests: SandboxRequest[] = [];
	let lastNumber = 0;
	const listeners = new Set<(request: SandboxRequest) => void>();
	const changes = new EventTarget();
	setMaxListeners(0, changes);
	const wake = () => changes.dispatchEvent(new Event("change"));
	const stopped = new AbortController();
	const list = (destination?: ProviderName) =>
		requests.filter((request) => destination === undefined || request.destination === destination);

	return {
		/** Returns the requests kept, oldest first. */
		list,

		/** Reads the body and records the request, however it is answered. */
		receive:
			(destination: ProviderName): RequestHandler =>
			(request, response, next) =>
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
					if (requests.length > maxKept) requests = requests.slice(-maxKept);

					let settled = false;
					const settle = () => {
						if (settled) return;
						settled = true;
						if (response.headersSent) received.status = response.statusCode;
						for (const listener of listeners) listener(received);
						wake();
					};
					// The event "finish" comes too late: the client may have the answer already.
					const { writeHead } = response;
					response.writeHead = (...parts: unknown[]) => {
						const written = Reflect.apply(writeHead, response, parts);
						settle();
						return written;
					};
					response.once("close", settle);

					next(error);
					// Providers answer synchronously, so a request without an answer here is delayed by a fault.
					if (!settled) wake();
				}),

		/** Calls the listener once for each request, when it is answered or its connection ends. */
		onRequest(listener: (request: SandboxRequest) => void): () => void {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},

		/** Resolves to the first result of `find` that is not undefined. `find` runs again at each request. */
		async when<Found>(
			find: (requests: SandboxRequest[]) => Found | undefined,
			{ destination, timeoutMs = 10_000 }: { destination?: ProviderName | undefined; timeoutMs?: number } = {},
		): Promise<Found> {
			const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(timeoutMs)]);
			for (;;) {
				const found = find(list(destination));
				if (found !== undefined) return found;
				await once(changes, "change", { signal }).catch(() => {
					const late = `The sandbox did not receive the expected request within ${timeoutMs} ms`;
					const why = stopped.signal.aborted ? "The sandbox was stopped" : late;
					throw new Error(`${why}. ${summaryOf(list(destination))}`);
				});
			}
		},

		clear(): void {
			requests = [];
		},

		/** Rejects all pending `when` calls. */
		stop: (): void => stopped.abort(),
	};
}

const secretHeaders = new Set(["authorization", "proxy-authorization", "cookie"]);

function masked(headers: IncomingHttpHeaders): Record<string, string> {
	const shown = Object.entries(headers).map(([name, value]) => {
		const text = String(value);
		const [scheme = ""] = /^(Basic|Bearer) /.exec(text) ?? [];
		return [name, secretHeaders.has(name) ? `${scheme}***` : text];
	});
	return Object.fromEntries(shown);
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}

function summaryOf(requests: SandboxRequest[]): string {
	if (requests.length === 0) return "It received nothing.";
	const lines = requests
		.slice(-50)
		.map(({ number, destination, method, path, status, body }) =>
			[number, destination, method, path, status ?? "unanswered", JSON.stringify(body)?.slice(0, 200)].join(" "),
		);
	return `It received ${requests.length}, most recently:\n${lines.join("\n")}`;
}
