import { expect, it } from "vitest";
import { isNamed, pageOf, readCursor, replayed } from "../../../server/outbox/dead-letter.ts";

const row = (id: number, more: object = {}) => ({
	id,
	site: "shop",
	destination: "crisp",
	body: "{}",
	status: null,
	reason: "rejected",
	message: null,
	attempts: 2,
	first_at: 10,
	last_at: 20,
	...more,
});
const letter = {
	id: "1",
	site: "shop",
	destination: "crisp",
	body: "{}",
	reason: "rejected",
	attempts: 2,
	firstAt: 10,
	lastAt: 20,
};

it("a dead letter is shown with its status and message, if it has them", () => {
	expect(pageOf([row(1)], { limit: 5 })).toEqual({ items: [letter] });
	expect(pageOf([row(1, { status: 400, message: "no" })], { limit: 5 }).items).toEqual([
		{ ...letter, status: 400, message: "no" },
	]);
});

it("a dead letter's texts are decoded with the store's function", () => {
	const [shown] = pageOf([row(1, { message: "no" })], { limit: 5, read: (stored) => stored.toUpperCase() }).items;
	expect(shown).toMatchObject({ reason: "REJECTED", message: "NO", site: "shop" });
});

it("a page has a cursor if another page follows", () => {
	const rows = [row(1), row(2), row(3)];
	expect(pageOf(rows, { limit: 3 }).cursor).toBeUndefined();
	expect(pageOf([], { limit: 3, end: 500 })).toEqual({ items: [], cursor: "500" });
	const { items, cursor } = pageOf(rows, { limit: 2, end: 500 });
	expect(items.map(({ id }) => id)).toEqual(["1", "2"]);
	expect(readCursor(cursor)).toBe(2);
});

it("no cursor means the first page, and a cursor larger than any id is accepted", () => {
	expect(readCursor(undefined)).toBe(0);
	expect(readCursor("9".repeat(40))).toBe(Number.MAX_SAFE_INTEGER);
});

it("a replayed dead letter keeps its rank, its trust, its right to the reserve and its history", () => {
	const delivery = { place: 0, rank: 3, reserved: true, trusted: true, alone: false, lapses: false, earns: false };
	const history = { attempts: 2, firstAt: 10 };
	expect(replayed(row(1, { rank: 3, reserved: 1, trusted: 1 }))).toEqual({ delivery, history });
	expect(replayed(row(1, { rank: 3, reserved: true, trusted: true }))).toEqual({ delivery, history });
});

it("an event is found by its name, however it is written, and one without a name by its type", () => {
	const rows = ['{"event":{"type":"track","name":"caf\\u00e9"}}', '{"event":{"type":"login","data":{"name":"x"}}}'];
	const found = (name: string | undefined) => rows.filter((body) => isNamed(name)(row(1, { body }))).length;
	expect([undefined, "café", "login", "track", "x"].map(found)).toEqual([2, 1, 1, 0, 0]);
});
