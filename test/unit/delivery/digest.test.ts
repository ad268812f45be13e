import { describe, expect, test } from "vitest";
import { planDigest } from "../../../server/delivery/digest.ts";
import type { Known, Lane, Plan, PlannedRequest } from "../../../server/providers/provider.ts";
import type { StoredEvent } from "../../../server/stored-event.ts";
import { type Event, limits } from "../../../shared/event.ts";

const idAt = (index: number) => `0198f1c2-7d0e-7cc3-98c4-${String(index).padStart(12, "0")}`;
const start = Date.UTC(2026, 0, 1);

/** Makes an event of a person, `index` seconds after the first one. */
const track = (index: number, name: string, more: Partial<Event> = {}): StoredEvent => ({
	event: {
		id: idAt(index),
		type: "track",
		name,
		at: start + index * 1_000,
		person: { email: "ada@shop.example" },
		...more,
	} as Event,
	trusted: false,
	receivedAt: start,
});

const login = (index: number, data: Record<string, unknown>): StoredEvent => ({
	...track(index, ""),
	event: { id: idAt(index), type: "login", at: start + index * 1_000, person: { email: "ada@shop.example" }, data },
});

const laneOf = (...events: StoredEvent[]) => events as unknown as Lane;
const nameOf = ({ event }: StoredEvent) => (event.type === "track" ? event.name : event.type);
const all = ({ event }: StoredEvent) => event.type === "track";
const request: PlannedRequest = { purpose: "event", method: "POST", path: [], ifDelivered: {} };

/**
 * Plans a lane by a provider that sends one event, or the leading updates, and shows the lane that it was given. What is
 * known of the person are the updates that were sent, unless the provider is `forgetful`.
 */
function plan(
	lane: Lane,
	{
		isMarked = all,
		requests = 0,
		updates = "send" as Plan["kind"],
		purpose = "event",
		most = 100,
		forgetful = false,
	} = {},
) {
	const seen: Lane[] = [];
	const planned = planDigest(lane, {
		isMarked,
		requests,
		plan(given, known: Known = {}): Plan {
			if (Object.keys(known).length === 0) seen.push(given);
			const other = given.findIndex(({ event }) => event.type !== "login");
			const count = Math.min(most, other < 0 ? given.length : other);
			const isSent = count > 0 && (updates === "done" || known.sent === count);
			if (isSent) return { kind: "done", settles: count, leftOut: 1 };
			if (count > 0 && updates === "discard") return { kind: "discard", settles: 1, reason: "unwanted" };
			if (count > 0 && updates === "refuse") return { kind: "refuse", reason: "wrong", message: "" };
			const settles = purpose === "create" ? 0 : Math.max(1, count);
			const ifDelivered = forgetful ? {} : { sent: count };
			return { kind: "send", request: { ...request, purpose, ifDelivered }, settles, covers: Math.max(1, settles) };
		},
	});
	return { planned, lane: seen.at(-1) ?? lane };
}
const merged = (...events: StoredEvent[]) => plan(laneOf(...events)).lane[0].event;

describe("a digest", () => {
	test("of one name has its count, its times and the latest data", () => {
		const views = [1, 2, 3].map((index) => track(index, "product:viewed", { data: { product: `p${index}` } }));
		const { lane, planned } = plan(laneOf(...views));
		expect(planned).toMatchObject({ kind: "send", settles: 3, covers: 3 });
		expect(lane).toHaveLength(1);
		expect(lane[0].event).toEqual({
			id: idAt(1),
			type: "track",
			name: "product:viewed ×3",
			at: start + 3_000,
			person: { email: "ada@shop.example" },
			data: { product: "p3", count: 3, first_at: "2026-01-01T00:00:01.000Z", last_at: "2026-01-01T00:00:03.000Z" },
		});
	});

	test("of several names lists each with its count and times, the most frequent first", () => {
		const event = merged(track(1, "search"), track(2, "viewed"), track(3, "viewed"));
		expect(event).toMatchObject({ type: "track", name: "3 actions" });
		expect(event.data).toEqual({
			count: 3,
			first_at: "2026-01-01T00:00:01.000Z",
			last_at: "2026-01-01T00:00:03.000Z",
			actions: [
				{ name: "viewed", count: 2, first_at: "2026-01-01T00:00:02.000Z", last_at: "2026-01-01T00:00:03.000Z" },
				{ name: "search", count: 1, first_at: "2026-01-01T00:00:01.000Z", last_at: "2026-01-01T00:00:01.000Z" },
			],
		});
	});

	test("of very many names counts the rest together", () => {
		const event = merged(...Array.from({ length: 100 }, (_, index) => track(index, `name ${index}`)));
		const actions = event.data?.actions as { name: string; count: number }[];
		expect(actions).toHaveLength(20);
		expect(actions.at(-1)).toMatchObject({ name: "others", count: 81 });
		expect(actions.reduce((sum, { count }) => sum + count, 0)).toBe(100);
	});

	test("keeps a color that all its events have", () => {
		const [green, blue] = [track(1, "a", { color: "green" }), track(3, "a", { color: "blue" })];
		expect(merged(green, track(2, "a", { color: "green" })).color).toBe("green");
		expect(merged(green, blue)).not.toHaveProperty("color");
	});

	test("keeps its name within the limit of names, whole characters only", () => {
		const name = `${"x".repeat(limits.nameLength - 4)}😀😀`;
		const { name: digest = "" } = merged(track(1, name), track(2, name)) as { name?: string };
		expect(digest.length).toBeLessThanOrEqual(limits.nameLength);
		expect(digest).toMatch(/ ×2$/);
		expect(digest.isWellFormed()).toBe(true);
	});

	test("ends before an event that is not marked, of another person or of another trust", () => {
		const views = [track(1, "viewed"), track(2, "viewed")];
		const others = [
			track(3, "purchase"),
			track(3, "viewed", { person: { email: "bob@shop.example" } }),
			track(3, "viewed", { person: { email: "ada@shop.example", ids: { crisp: "other" } } }),
			{ ...track(3, "viewed"), trusted: true },
		];
		for (const other of others) {
			const isMarked = (each: StoredEvent) => nameOf(each) === "viewed";
			const { lane, planned } = plan(laneOf(...views, other, track(4, "viewed")), { isMarked });
			expect(planned).toMatchObject({ settles: 2, covers: 2 });
			expect(lane.slice(1)).toEqual([other, track(4, "viewed")]);
		}
	});

	test("keeps the turn of its lane for an event behind it", () => {
		const behind = laneOf(track(1, "viewed"), track(2, "viewed"), track(3, "purchase"));
		const isMarked = (each: StoredEvent) => nameOf(each) === "viewed";
		expect(plan(behind, { isMarked }).planned).toMatchObject({ settles: 2, keepsTurn: true });
		expect(plan(laneOf(...behind.slice(0, 2)), { isMarked }).planned).toMatchObject({ settles: 2, keepsTurn: false });
	});

	test("is not made of a single event, nor behind one that is not marked", () => {
		const lane = laneOf(track(1, "purchase"), track(2, "viewed"), track(3, "viewed"));
		expect(plan(lane, { isMarked: ({ event }) => event.id !== idAt(1) }).lane).toEqual(lane);
		const alone = laneOf(login(1, {}), track(2, "viewed"), login(3, {}));
		expect(plan(alone)).toMatchObject({ lane: alone, planned: { settles: 1, covers: 1 } });
	});
});

describe("logins and updates between the events of a digest", () => {
	const between = laneOf(track(1, "a"), login(2, { plan: "x" }), track(3, "a"), login(4, { plan: "y" }), track(5, "b"));

	test("are sent first, as one request that settles nothing", () => {
		const { lane, planned } = plan(between);
		expect(lane.map(nameOf)).toEqual(["login", "login", "3 actions"]);
		expect(planned).toMatchObject({ kind: "send", settles: 0, covers: 5 });
	});

	test("are settled with the digest once nothing of them is left to send", () => {
		const { lane, planned } = plan(between, { updates: "done" });
		expect(lane.map(nameOf)).toEqual(["3 actions"]);
		expect(planned).toMatchObject({ kind: "send", settles: 5, covers: 5, leftOut: 1 });
	});

	test("are sent in their places if the provider would not know that they are sent", () => {
		const { lane, planned } = plan(between, { forgetful: true });
		expect(lane).toEqual(between);
		expect(planned).toMatchObject({ settles: 1, covers: 1 });
		const views = laneOf(track(1, "a"), track(2, "a"), login(3, {}), track(4, "a"));
		const digest = plan(views, { forgetful: true });
		expect(digest.lane.map(nameOf)).toEqual(["a ×2", "login", "a"]);
		expect(digest.planned).toMatchObject({ settles: 2, covers: 2 });
	});

	test.each(["send", "done"] as const)("end the digest where one request cannot have all of them: %s", (updates) => {
		const views = laneOf(track(1, "a"), track(2, "a"), login(3, {}), login(4, {}), track(5, "a"));
		const { lane, planned } = plan(views, { updates, most: 1 });
		const isDone = updates === "done";
		expect(lane.map(nameOf)).toEqual([...(isDone ? [] : ["login"]), "a ×2", "login", "a"]);
		expect(planned).toMatchObject({ kind: "send", settles: isDone ? 3 : 0, covers: 3 });
	});

	test.each(["discard", "refuse"] as const)("take no other event with them if they end otherwise: %s", (updates) => {
		const { lane, planned } = plan(between, { updates });
		expect(lane).toEqual(between);
		expect(planned).toMatchObject({ kind: "send", settles: 1 });
	});

	test("are sent in their places if that makes no progress", () => {
		const { lane, planned } = plan(between, { requests: 8 });
		expect(lane).toEqual(between);
		expect(planned).toMatchObject({ settles: 1, covers: 1 });
	});

	test("are not divided when a creation is refused", () => {
		expect(plan(between, { purpose: "create" }).planned).toMatchObject({ settles: 0, covers: 1 });
	});
});
