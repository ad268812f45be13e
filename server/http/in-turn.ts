import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { limits } from "../../shared/event.ts";

/** Maximum number of requests waiting on a connection for earlier answers. Browsers and backends send one at a time. */
// Guard (SECURITY.md): pipelined-requests
const waitingMost = 8;
/** Time, ms, after which a connection is closed if its client has read nothing more of a finished answer. */
// Guard (SECURITY.md): unread-answer
const unreadMs = 10_000;
/** Time, ms, after which a connection is closed if an answered request still goes on. */
// Guard (SECURITY.md): endless-body
const lingerMs = 2_000;

/** The state of a connection. */
interface Turns {
	/** Number of requests that wait. */
	waiting: number;
	/** The answer whose turn it is. */
	current?: ServerResponse;
	/** The answer that is finished and has not left yet. */
	leaving?: ServerResponse;
	/** The connection's own timeout, ms, which does not count while an answer leaves. */
	timeout: number;
}

const turns = new WeakMap<Socket, Turns>();

function turnsOf(socket: Socket): Turns {
	const known = turns.get(socket);
	if (known) return known;
	const made = { waiting: 0, timeout: 0 };
	turns.set(socket, made);
	return made;
}

/** Closes the connection of an answer that is not read. Node counts every byte that the client takes as activity. */
function closeUnread(socket: Socket, response: ServerResponse, own: Turns): void {
	// `once` costs more than `on`, and this event comes once.
	response.on("prefinish", () => {
		// Nearly always the system has taken the whole answer, which costs no memory here.
		if (socket.writableLength === 0) return;
		if (socket.timeout !== unreadMs) own.timeout = socket.timeout ?? 0;
		own.leaving = response;
		socket.setTimeout(unreadMs);
		response.once("finish", () => {
			// The next request may have been answered by now. Node sets its timeout for idle connections, unless it is off.
			if (own.leaving === response && socket.timeout === unreadMs) socket.setTimeout(own.timeout);
		});
	});
}

/**
 * Closes the connection of a request that goes on after its answer. Node reads and drops the rest of it, which costs
 * little where a length within the limit is announced. A client that is closed at once might not read its answer.
 */
function closeEndless(request: IncomingMessage, response: ServerResponse): void {
	const { "transfer-encoding": encoding, "content-length": length = 0 } = request.headers;
	if (encoding === undefined && Number(length) <= limits.bodyBytes) return;
	response.once("finish", () => {
		if (!request.complete) setTimeout(() => request.complete || request.socket.destroy(), lingerMs).unref();
	});
}

/**
 * Handles the requests of a connection one at a time, each after the answer before it has left, so that a client that
 * sends without reading holds one answer in memory. Closes the connection if more than a few requests wait.
 */
export function inTurn(request: IncomingMessage, response: ServerResponse, next: () => void): void {
	const { socket } = request;
	const own = turnsOf(socket);
	const begin = () => {
		own.current = response;
		closeUnread(socket, response, own);
		closeEndless(request, response);
		next();
	};
	// Passed this way before, in the app around the router.
	if (own.current === response) next();
	// Node gives the socket to an answer once the answer before it has left.
	// Guard (SECURITY.md): answers-in-turn
	else if (response.socket) begin();
	else if (own.waiting >= waitingMost) socket.destroy();
	else {
		own.waiting += 1;
		response.once("socket", () => {
			own.waiting -= 1;
			begin();
		});
	}
}
