import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import type { RequestHandler, Response } from "express";

/** What goes wrong with requests to one destination, before the provider looks at them. */
export interface Fault {
	/** The status answered; 200 when only a body, headers or `retryAfter` are given. */
	status?: number;
	/** Text as it is, anything else as JSON. */
	body?: unknown;
	/** Default: `text/plain` for text, else `application/json`. */
	contentType?: string;
	headers?: Record<string, string>;
	/** The `Retry-After` header: seconds, or an HTTP date. */
	retryAfter?: number | string;
	/** Holds the request back first. Without a `status` and the like, the provider then answers as usual. */
	delayMs?: number;
	/** Ends the connection without an answer. */
	reset?: boolean;
	/** How many requests it befalls. Default: all, until it is cleared. */
	times?: number;
	/** Only requests with such a path: raw, without base and query. */
	path?: RegExp;
	method?: string;
}

interface Faults {
	inflict: RequestHandler;
	/** Adds one, as a copy; returns what clears it. */
	add(fault: Fault): () => void;
	clear(): void;
}

/** The faults of one destination. A request meets the first that fits; once that one's `times` are used, the next. */
export function createFaults(): Faults {
	let faults: Fault[] = [];

	const meet = (method: string, path: string): Fault | undefined => {
		const fault = faults.find(
			(one) => (one.method ?? method).toUpperCase() === method && (!one.path || path.search(one.path) >= 0),
		);
		if (fault?.times !== undefined && --fault.times <= 0) faults = faults.filter((one) => one !== fault);
		return fault;
	};

	const inflict: RequestHandler = (request, response, next) => {
		const [path = "/"] = request.url.split("?");
		const fault = meet(request.method, path);
		if (!fault) return next();
		const strike = () => {
			if (fault.reset) request.socket.resetAndDestroy();
			else if (answers(fault)) answer(fault, response);
			else next();
		};
		if (!fault.delayMs) return strike();
		return Promise.race([setTimeout(fault.delayMs, undefined, { ref: false }), once(response, "close")]).then(() => {
			if (!request.socket.destroyed) strike();
		});
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
	if (body === undefined) {
		response.end();
		return;
	}
	const text = typeof body === "string" ? body : JSON.stringify(body);
	response.set("Content-Type", contentType ?? (typeof body === "string" ? "text/plain" : "application/json"));
	response.end(text);
}
