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

/** Numbers of waiting requests, by connection. */
const waiting = new WeakMap<Socket, number>();
/** Answers whose turn has come. */
const begun = new WeakSet<ServerResponse>();

/** Finished answers that have not left yet, by connection, with the connection's own timeout. */
const leaving = new WeakMap<Socket, { response: ServerResponse; timeout: number }>();

/** Closes the connection of an answer that is not read. Node counts every byte that the client takes as activity. */
function closeUnread(socket: Socket, response: ServerResponse): void {
	response.once("prefinish", () => {
		leaving.set(socket, { response, timeout: leaving.get(socket)?.timeout ?? socket.timeout ?? 0 });
		socket.setTimeout(unreadMs);
	});
	response.once("finish", () => {
		const last = leaving.get(socket);
		// The next request of the connection may have been answered by now.
		if (last?.response !== response) return;
		leaving.delete(socket);
		// Node sets its timeout for idle connections, unless that is switched off.
		if (socket.timeout === unreadMs) socket.setTimeout(last.timeout);
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
	const begin = () => {
		begun.add(response);
		closeUnread(socket, response);
		closeEndless(request, response);
		next();
	};
	const others = waiting.get(socket) ?? 0;
	// The request has passed here before, in the app around the router.
	if (begun.has(response)) next();
	// Node gives the socket to an answer once the answer before it has left.
	// Guard (SECURITY.md): answers-in-turn
	else if (response.socket) begin();
	else if (others >= waitingMost) socket.destroy();
	else {
		waiting.set(socket, others + 1);
		response.once("socket", () => {
			waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
			begin();
		});
	}
}
