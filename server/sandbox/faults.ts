import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import type { RequestHandler, Response } from "express";

/** A failure of requests to one provider, applied before the provider sees them. */
export interface Fault {
	/** Status of the answer; default 200 if `body`, `headers` or `retryAfter` is given. */
	status?: number;
	/** Body of the answer: text as it is, anything else as JSON. */
	body?: unknown;
	/** Content type; default `text/plain` for text, else `application/json`. */
	contentType?: string;
	headers?: Record<string, string>;
	/** The `Retry-After` header: seconds, or an HTTP date. */
	retryAfter?: number | string;
	/** Delay before the answer, ms. Unless another field sets an answer, the provider then answers as usual. */
	delayMs?: number;
	/** Ends the connection without an answer. */
	reset?: boolean;
	/** Number of requests that fail. Default: all, until the fault is cleared. */
	times?: number;
	/** Limits the fault to requests whose raw path, without base and query, matches. */
	path?: RegExp;
	method?: string;
}

interface Faults {
	inflict: RequestHandler;
	/** Adds a copy of the fault; returns a function that clears it. */
	add(fault: Fault): () => void;
	clear(): void;
}

/** Holds the faults of one provider. The oldest fault that matches a request applies, until its `times` are used up. */
export function createFaults(): Faults {
	let faults: Fault[] = [];

	const take = (method: string, path: string): Fault | undefined => {
		const fault = faults.find(
			(one) => (one.method ?? method).toUpperCase() === method && (!one.path || path.search(one.path) >= 0),
		);
		if (fault?.times !== undefined && --fault.times <= 0) faults = faults.filter((one) => one !== fault);
		return fault;
	};

	const inflict: RequestHandler = async (request, response, next) => {
		const [path = "/"] = request.url.split("?");
		const fault = take(request.method, path);
		if (fault?.delayMs) {
			await Promise.race([setTimeout(fault.delayMs, undefined, { ref: false }), once(response, "close")]);
			if (request.socket.destroyed) return;
		}
		if (fault?.reset) request.socket.resetAndDestroy();
		else if (fault && answers(fault)) answer(fault, response);
		else next();
	};

	return {
		inflict,
		add(fault) {
			const added = { ...fault };
			if (added.times !== 0) faults.push(added);
			return () => {
				faults = faults.filter((one) => one !== added);
			};
		},
		clear() {
			faults = [];
		},
	};
}

const answers = ({ status, body, headers, retryAfter }: Fault) =>
	[status, body, headers, retryAfter].some((part) => part !== undefined);

function answer({ status = 200, body, contentType, headers, retryAfter }: Fault, response: Response): void {
	response.status(status);
	if (retryAfter !== undefined) response.set("Retry-After", String(retryAfter));
	if (headers) response.set(headers);
	if (body === undefined) return void response.end();
	const isText = typeof body === "string";
	response.set("Content-Type", contentType ?? (isText ? "text/plain" : "application/json"));
	response.end(isText ? body : JSON.stringify(body));
}
