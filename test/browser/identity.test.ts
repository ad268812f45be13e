import { describe, expect, test } from "vitest";
import type { TrackerState } from "../../client/index.ts";
import type { Page } from "./engine.ts";
import { call, flush, open, state, untilState, untilStored, useWorld, world } from "./page.ts";
import { scriptTag, taken } from "./site.ts";

useWorld();

const x = { email: "x@example.com", userId: "x" };
const y = { email: "y@example.com", userId: "y" };

type Who = Pick<TrackerState, "anonymousId" | "email" | "userId">;
const who = async (page: Page): Promise<Who> => {
	const { anonymousId, email, userId } = await state(page);
	return { anonymousId, email, userId };
};

/** Rows of the table of identities: a visitor's identity, an action, and the identity after it. */
const table: {
	now: object | undefined;
	does: unknown[];
	becomes: { email?: string; userId?: string };
	isAnew: boolean;
	/** E-mail under which earlier events are sent; undefined if they are not sent or have none. */
	before: string | undefined;
}[] = [
	{ now: undefined, does: ["login", x], becomes: x, isAnew: false, before: "x@example.com" },
	{ now: undefined, does: ["update", { plan: "pro" }], becomes: {}, isAnew: false, before: "x@example.com" },
	{ now: undefined, does: ["reset"], becomes: {}, isAnew: true, before: undefined },
	{ now: x, does: ["login", { userId: "x" }], becomes: x, isAnew: false, before: "x@example.com" },
	{
		now: x,
		does: ["login", { email: " X@Example.com" }],
		becomes: { ...x, email: "X@Example.com" },
		isAnew: false,
		before: "x@example.com",
	},
	{
		now: x,
		does: ["login", { userId: "x", email: "new@example.com" }],
		becomes: { userId: "x", email: "new@example.com" },
		isAnew: false,
		before: "x@example.com",
	},
	{ now: { userId: "x" }, does: ["login", x], becomes: x, isAnew: false, before: undefined },
	{ now: x, does: ["update", { plan: "pro" }], becomes: x, isAnew: false, before: "x@example.com" },
	{ now: x, does: ["reset"], becomes: {}, isAnew: true, before: "x@example.com" },
	{ now: y, does: ["login", x], becomes: x, isAnew: true, before: "y@example.com" },
	{ now: y, does: ["login", { userId: "x" }], becomes: { userId: "x" }, isAnew: true, before: "y@example.com" },
	{ now: y, does: ["update", { plan: "pro" }], becomes: y, isAnew: false, before: "y@example.com" },
	{ now: y, does: ["reset"], becomes: {}, isAnew: true, before: "y@example.com" },
];

const title = ({ now, does }: (typeof table)[number]) =>
	`${JSON.stringify(now ?? "anonymous")}, ${JSON.stringify(does)}`;

describe.each([1, 2])("in %i tabs", (tabs) => {
	test.each(table.map((row) => [title(row), row] as const))("%s", async (_, { now, does, becomes, isAnew, before }) => {
		const here = await open();
		const there = tabs === 1 ? here : await open();
		if (now) await call(here, ["login", now]);
		const first = await who(here);
		await untilState(there, ({ anonymousId, userId }) => anonymousId === first.anonymousId && userId === first.userId);
		await call(there, ["track", "before"]);
		await call(here, does);
		const then = await who(here);
		expect(then).toEqual({ anonymousId: expect.any(String), email: undefined, userId: undefined, ...becomes });
		expect(then.anonymousId !== first.anonymousId).toBe(isAnew);
		await untilState(
			there,
			({ anonymousId, email, userId }) =>
				anonymousId === then.anonymousId && email === then.email && userId === then.userId,
		);
		await call(there, ["track", "after"], ["login", x], ["track", "at last"]);
		const last = await who(there);
		await flush(there);
		await flush(here);
		await untilState(there, ({ waiting, held }) => waiting + held === 0);
		await untilState(here, ({ waiting, held }) => waiting + held === 0);

		const sent = Object.fromEntries(
			world.site.events().flatMap((event) => ("name" in event && event.name ? [[event.name, event.person]] : [])),
		);
		if (before !== undefined || now) expect(sent.before?.email).toBe(before);
		else expect(sent).not.toHaveProperty("before");
		// A later event belongs to the person known at its capture, or else to the one who logs in next.
		const isKnown = then.email ?? then.userId;
		expect(sent.after).toEqual(isKnown ? JSON.parse(JSON.stringify(then)) : last);
		expect(sent["at last"]).toEqual(last);
		expect([...world.site.counts().values()].every((count) => count === 1)).toBe(true);
	});
});

test("attributes are sent with a login and with an update of the current person", async () => {
	const page = await open();
	await call(page, ["update", { plan: "free" }]);
	await call(page, ["login", { ...x, attributes: { name: "X" } }], ["update", { plan: "pro" }]);
	await flush(page);
	expect(world.site.events().map(({ type, data, person }) => [type, data, person.userId])).toEqual([
		["update", { plan: "free" }, "x"],
		["login", { name: "X" }, "x"],
		["update", { plan: "pro" }, "x"],
	]);
});

test("a logout before consent still holds once consent is given", async () => {
	const page = await open();
	await call(page, ["login", x]);
	await flush(page);
	world.site.pages.set("/pending", scriptTag('data-consent="pending"'));
	await page.goto(`${world.site.origin}/pending`);
	expect(await who(page)).toMatchObject(x);
	await call(page, ["reset"], ["track", "somebody's"], ["optIn"]);
	expect(await who(page)).not.toHaveProperty("email", x.email);
	await call(page, ["login", y]);
	await flush(page);
	expect(world.site.events().map(({ person }) => person.userId)).toEqual(["x", "y", "y"]);
});

test("at most 500 events are held, and the oldest are dropped", async () => {
	const page = await open();
	await call(page, ...Array.from({ length: 510 }, (_, n) => ["track", `event ${n}`]));
	expect(await state(page)).toMatchObject({ held: 500 });
	await untilStored(page, 500);
	await call(page, ["login", x]);
	await flush(page);
	await untilState(page, ({ waiting }) => waiting === 0);
	expect(world.site.names()[0]).toBe("event 10");
	expect(world.site.events()).toHaveLength(501);
});

test("events with an expired token get a new one at their person's next login, on another page and in another tab", async () => {
	const expired = new Set(["x's old", "y's old"]);
	world.site.answerWith((batch) =>
		taken(
			batch,
			batch.events
				.filter(({ person }) => expired.has(person.token ?? ""))
				.map(({ id }) => ({ id, code: "identity_token_expired" as const, message: "expired" })),
		),
	);
	const page = await open();
	await call(page, ["login", { ...x, token: "x's old" }], ["track", "x's"]);
	await call(page, ["login", { ...y, token: "y's old" }], ["track", "y's"]);
	await flush(page);
	expect(await state(page)).toMatchObject({ waiting: 4 });
	// Events with an expired token are not sent again.
	await flush(page);
	expect(world.site.batches).toHaveLength(1);
	await untilStored(page, 4);

	const [next, otherTab] = [await open(), await open()];
	await flush(otherTab);
	await untilState(otherTab, ({ waiting }) => waiting === 4);
	world.site.batches.length = 0;
	await call(next, ["login", { ...x, token: "x's new" }]);
	await flush(next);
	await untilState(next, ({ waiting }) => waiting === 2);
	const taken1 = world.site.events().filter(({ person }) => person.token === "x's new");
	expect(taken1.map((event) => ("name" in event && event.name) || event.type)).toEqual(["login", "x's", "login"]);
	await call(otherTab, ["login", { ...y, token: "y's new" }]);
	await flush(otherTab);
	await untilState(otherTab, ({ waiting }) => waiting === 0);
	const taken2 = world.site.events().filter(({ person }) => person.token === "y's new");
	expect(taken2.map((event) => ("name" in event && event.name) || event.type)).toEqual(["login", "y's", "login"]);
	await untilStored(page, 0);
});
