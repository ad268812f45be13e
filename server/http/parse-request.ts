import express, { type Request, type RequestHandler } from "express";
import type * as z from "zod";
import { RequestError } from "./problem.ts";

/** Parses a body of `application/json`, of so many bytes at most. */
export const jsonBody = (limit: number): RequestHandler => express.json({ limit });

/** A request's body as it was read; `hint` is for whoever sent it as something else. Throws {@link RequestError}. */
export function bodyOf({ body }: Request, hint: string): unknown {
	if (body === undefined) throw new RequestError("unsupported_media_type", hint);
	return body;
}

/** What was asked, if it is what the schema says. Throws {@link RequestError}, which tells where it is not. */
export function parseInput<Output>(schema: z.ZodType<Output>, value: unknown): Output {
	const result = schema.safeParse(value);
	if (result.success) return result.data;
	const [issue] = result.error.issues;
	throw new RequestError("malformed_body", `${issue?.path.join(".") || "the request"}: ${issue?.message}`);
}
