import { parse as parseQuery } from "node:querystring";
import express, { type Request, type RequestHandler } from "express";
import type * as z from "zod";
import { plainIssue } from "../../shared/plain-issue.ts";
import { RequestError } from "./problem.ts";

/** Parses bodies of type `application/json` up to `limit` bytes; leaves others unread. */
export const jsonBody = (limit: number): RequestHandler => express.json({ limit });

/**
 * Returns a request's parsed body. Throws `malformed_body` if there is no body, even if the app's parser made `{}` of it,
 * and `unsupported_media_type` if the body was not read. Both messages contain the hint.
 */
export function bodyOf({ body, headers }: Request, hint: string): unknown {
	const isEmpty = headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0;
	if (isEmpty) throw new RequestError("malformed_body", `the request has no body: ${hint}`);
	if (body === undefined) throw new RequestError("unsupported_media_type", hint);
	return body;
}

/** Checks input against a schema. Throws `malformed_body`, naming the first place that is wrong. */
export function parseInput<Output>(schema: z.ZodType<Output>, value: unknown): Output {
	const result = schema.safeParse(value, { error: plainIssue });
	if (result.success) return result.data;
	const [issue] = result.error.issues;
	throw new RequestError("malformed_body", `${issue?.path.join(".") || "the request"}: ${issue?.message}`);
}

/** Parses the query. The app around the router decides how Express parses `request.query`, so that is not used. */
export function queryOf({ url = "" }: { url?: string | undefined }): ReturnType<typeof parseQuery> {
	const [, query = ""] = url.split("?");
	return parseQuery(query);
}
