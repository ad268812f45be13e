import { expect, it } from "vitest";
import { pageOf, readCursor, replayed } from "../../../server/outbox/dead-letter.ts";

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
	expect(pageOf([row(1)], 5)).toEqual({ items: [letter] });
	expect(pageOf([row(1, { status: 400, message: "no" })], 5).items).toEqual([
		{ ...letter, status: 400, message: "no" },
	]);
});

it("a dead letter's texts are decoded with the store's function", () => {
	const [shown] = pageOf([row(1, { message: "no" })], 5, (stored) => stored.toUpperCase()).items;
	expect(shown).toMatchObject({ reason: "REJECTED", message: "NO", site: "shop" });
});

it("a page has a cursor if another page follows", () => {
	const rows = [row(1), row(2), row(3)];
	expect(pageOf(rows, 3).cursor).toBeUndefined();
	const { items, cursor } = pageOf(rows, 2);
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
