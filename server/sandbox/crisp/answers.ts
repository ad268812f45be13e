import type { RequestHandler, Response } from "express";
import type { ZodType } from "zod";

/** Answers in Crisp's envelope. */
export const answer = (response: Response, status: number, reason: string, data: unknown = {}) =>
	response.status(status).json({ error: false, reason, data });

export const refuse = (response: Response, status: number, reason: string, message?: string) =>
	response.status(status).json({ error: true, reason, data: message === undefined ? {} : { message } });

export const methodNotAllowed: RequestHandler = (_request, response) => refuse(response, 405, "method_not_allowed");

/** Refuses a body that does not match the schema, without naming the field, as Crisp does. */
export const valid =
	<P>(schema: ZodType): RequestHandler<P> =>
	(request, response, next) => {
		if (schema.safeParse(request.body).success) next();
		else refuse(response, 400, "invalid_data");
	};

/** Returns one page of a list. Pages count from 1; Crisp has 20 items to a page. */
export function pageOf<Item>(items: readonly Item[], page: unknown, size = 20): Item[] {
	const first = (Math.max(1, Number(page)) - 1) * size;
	return items.slice(first, first + size);
}
