import { randomUUID } from "node:crypto";
import type { RequestHandler, Response } from "express";
import type { Logger } from "pino";
import type { ProblemCode } from "../../shared/wire.ts";
import { problemCode } from "../http/problem.ts";

/** How a request was answered. */
export interface Answered {
	/** The path, as the router sees it: `/v1/batch`. */
	path: string;
	status: number;
	/** Of the problem it was answered with, if it was. */
	code: ProblemCode | undefined;
	seconds: number;
}

const wellFormed = /^[\w.-]{1,64}$/;
/** A path is shown up to this length. */
const pathLength = 200;
/** How often requests that are refused for the same reason are logged, ms; at `debug` every one is. */
const refusedEveryMs = 60_000;

/** The id that a request's log lines and its `X-Request-Id` share. */
export const requestId = (response: Response): string | undefined => response.get("X-Request-Id");

/**
 * Names each request (`X-Request-Id`, the sender's own if it has one) and tells how it was answered: at `debug`,
 * refusals at `info` but each kind once a minute, as anybody can cause them. Neither query nor headers nor body
 * are looked at. Sets nothing on the request, which may go on to the app around the router.
 */
export function observeRequests(log: Logger, onAnswered: (answered: Answered) => void): RequestHandler {
	const lastLogged = new Map<ProblemCode, number>();
	return (request, response, next) => {
		const startedAt = performance.now();
		if (requestId(response) === undefined) {
			const given = request.get("X-Request-Id") ?? "";
			response.set("X-Request-Id", wellFormed.test(given) ? given : randomUUID());
		}
		const { method } = request;
		const path = (request.baseUrl.slice(request.baseUrl.lastIndexOf("/")) + request.path).replace(/(.)\/$/, "$1");
		response.once("close", () => {
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
			else log.debug({ ...line, ms }, "the sender went away");
		});
		next();
	};
}
