import { handlers, type Reply } from "../routes.ts";

/** Answers in Crisp's envelope. */
export const answer = (reason: string, data: unknown = {}, status = 200): Reply => ({
	status,
	body: { error: false, reason, data },
});

export const refuse = (status: number, reason: string, message?: string): Reply => ({
	status,
	body: { error: true, reason, data: { message } },
});

/** Handlers that refuse a wrong body without naming the field, as Crisp does. */
export const { valid, about } = handlers(() => refuse(400, "invalid_data"));

/** Returns one page of a list. Pages count from 1; Crisp has 20 items to a page. */
export function pageOf<Item>(items: readonly Item[], page: unknown, size = 20): Item[] {
	const first = (Math.max(1, Number(page)) - 1) * size;
	return items.slice(first, first + size);
}
