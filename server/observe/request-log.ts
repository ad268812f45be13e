import { randomUUID } from "node:crypto";
import type { RequestHandler, Response } from "express";
import type { Logger } from "pino";
import type { ProblemCode } from "../../shared/wire.ts";
import { problemCode } from "../http/problem.ts";

/** An answered request. */
export interface Answered {
	/** The path below the router's mount point: `/v1/batch`. */
	path: string;
	status: number;
	/** The problem's code, if the answer was a problem. */
	code: ProblemCode | undefined;
	seconds: number;
}

const acceptableId = /^[\w.-]{1,64}$/;
/** Maximum length of logged paths. Longer ones are cut. */
const pathLength = 200;
/** Interval between two `info` lines about refusals with the same code, ms. At `debug` each one is logged. */
const refusedEveryMs = 60_000;

/** Reads a request's id from the `X-Request-Id` of its answer. */
export const requestId = (response: Response): string | undefined => response.get("X-Request-Id");

/**
 * Gives each answer an `X-Request-Id`, the sender's own if there is one. Logs refusals at `info`, each code at most once
 * a minute because anybody can cause them, and other answers at `debug`. Logs no query, header or body. Leaves the
 * request unchanged, because the app around the router may handle it.
 */
export function observeRequests(log: Logger, onAnswered: (answered: Answered) => void): RequestHandler {
	const lastLogged = new Map<ProblemCode, number>();
	return (request, response, next) => {
		const startedAt = performance.now();
		if (requestId(response) === undefined) {
			const given = request.get("X-Request-Id") ?? "";
			response.set("X-Request-Id", acceptableId.test(given) ? given : randomUUID());
		}
		const { method } = request;
		const path = (request.baseUrl.slice(request.baseUrl.lastIndexOf("/")) + request.path).replace(/(.)\/$/, "$1");
		response.on("close", () => {
			const now = performance.now();
			const { statusCode: status, writableFinished } = response;
			const code = problemCode(response);
			if (writableFinished) onAnswered({ path, status, code, seconds: (now - startedAt) / 1_000 });
			const isNews = code !== undefined && now - (lastLogged.get(code) ?? Number.NEGATIVE_INFINITY) >= refusedEveryMs;
			if (isNews) lastLogged.set(code, now);
			const level = isNews ? "info" : "debug";
			if (!log.isLevelEnabled(level)) return;
			const line = { requestId: requestId(response), method, path: path.slice(0, pathLength), code };
			const ms = Math.round(now - startedAt);
			if (writableFinished) log[level]({ ...line, status, ms }, "answered");
			else log.debug({ ...line, ms }, "the client closed the connection");
		});
		next();
	};
}
