import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { createBundles } from "../../../../server/outbox/sqlite/bundles.ts";
import { prepare } from "../../../../server/outbox/sqlite/schema.ts";
import { createStatements } from "../../../../server/outbox/sqlite/statements.ts";
import { createTransactions } from "../../../../server/outbox/sqlite/transaction.ts";

function open() {
	const db = new DatabaseSync(":memory:");
	prepare(db);
	const transactions = createTransactions(db);
	const bundles = createBundles(createStatements(db), transactions);
	const add = (text: string) => bundles.add({ id: 1, site: "s", person: "p", events: 1, bodies: Buffer.from(text) });
	return { ...bundles, add, transactions };
}

it("reads bodies in any order", () => {
	const { add, body } = open();
	add("first\nzweite Zeile, über\nthird");
	expect([2, 0, 1].map((place) => body(1, place))).toEqual(["third", "first", "zweite Zeile, über"]);
});

it("forgets a bundle whose number is given to another after a rollback", () => {
	const { add, body, transactions } = open();
	transactions.begin();
	add("lost");
	expect(body(1, 0)).toBe("lost");
	transactions.rollback();
	add("another");
	expect(body(1, 0)).toBe("another");
});

it("forgets a bundle that is removed", () => {
	const { add, body, remove } = open();
	add("erased");
	expect(body(1, 0)).toBe("erased");
	remove(1);
	expect(() => body(1, 0)).toThrow();
});
