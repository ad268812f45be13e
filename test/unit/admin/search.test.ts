import { expect, it } from "vitest";
import { search } from "../../../server/admin/search.ts";
import type { RunningDestination } from "../../../server/delivery/start-delivery.ts";
import { eventKey } from "../../../server/ingest/claims.ts";
import { createActivity } from "../../../server/observe/activity.ts";
import { sealBatch } from "../../../server/outbox/journal-row.ts";
import type { DeadLetter, Outbox, OwedDelivery } from "../../../server/outbox/outbox.ts";
import { storedEvent } from "../../support/one-event.ts";

const destination = { site: "site", name: "x" };
const running = { destination } as RunningDestination;
const ada = { email: "ada@example.com" };

/** A store with endless dead letters and waiting events. Counts the queries for each. */
function endless(letters: DeadLetter[] = []) {
	const asked = { events: 0, letters: 0 };
	const outbox = {
		async findEvents() {
			asked.events += 1;
			return { events: [], cursor: String(asked.events) };
		},
		findOwed: async () => [],
		async deadLetters() {
			asked.letters += 1;
			return { items: letters, cursor: String(asked.letters) };
		},
		stats: async () => ({ journal: 0, destinations: [] }),
	} as unknown as Outbox;
	return { asked, outbox };
}
const around = (outbox: Outbox, signal: AbortSignal) => ({
	outbox,
	running: [running],
	now: () => 1,
	requestsPerEvent: () => 1,
	activity: createActivity({ labelOf: () => "shop", now: () => 1 }),
	labelOf: () => "shop",
	skipped: () => [],
	signal,
});

it("an aborted search stops querying the store and reports an incomplete result", async () => {
	const { asked, outbox } = endless();
	const calling = new AbortController();
	const searching = search({ event: crypto.randomUUID() }, around(outbox, calling.signal));
	await Promise.resolve();
	calling.abort();
	expect(await searching).toMatchObject({ journeys: [], isComplete: false });
	expect(asked.events).toBeLessThan(100);
	expect(asked.letters).toBeLessThanOrEqual(1);
});

const letters = Array.from({ length: 70 }, (_, id): DeadLetter => {
	const body = JSON.stringify(storedEvent({ person: ada }));
	return { id: String(id), site: "site", destination: "x", body, reason: "no", attempts: 1, firstAt: 1, lastAt: 1 };
});

it("a search stops querying once it has found enough, returns 50 journeys and reports that there are more", async () => {
	const { asked, outbox } = endless(letters);
	const found = await search({ person: ada.email }, around(outbox, new AbortController().signal));
	expect([found.journeys.length, found.isComplete]).toEqual([50, false]);
	expect(asked.letters).toBe(3);
});

it("a delivery that was discarded alone is shown as skipped there, and the event as delivered elsewhere", async () => {
	const person = "email:ada@example.com";
	const outbox = {
		findOwed: async () => [],
		deadLetters: async () => ({ items: [] }),
		stats: async () => ({ journal: 0, destinations: [] }),
	} as unknown as Outbox;
	const options = around(outbox, new AbortController().signal);
	const stored = storedEvent({ person: ada, name: "purchase" });
	const events = [
		{
			...{ person, body: JSON.stringify(stored), destinations: ["x", "y"], claims: [] },
			...{ rank: 0, reserved: false, trusted: false },
		},
	];
	const row = sealBatch({ site: "site", events });
	options.activity.received({ kind: "batch", site: "site", accepted: 1, row, rejected: [], ordersUnread: 0, at: 1 });
	const key = eventKey("site", person, stored.event.id);
	options.activity.discarded([{ site: "site", person, key, reason: "duplicate_order", destination: "x" }]);
	const { journeys } = await search({ person: ada.email }, options);
	expect(journeys[0]?.discarded).toEqual([]);
	expect(journeys[0]?.deliveries).toMatchObject([
		{ destination: "x", state: "skipped", reason: "duplicate_order" },
		{ destination: "y", state: "past" },
	]);
});

it("an event behind more waiting events than a search reads is shown as waiting, not as delivered", async () => {
	const person = "email:ada@example.com";
	const owed = Array.from({ length: 200 }, (_, ahead): OwedDelivery => {
		return {
			destination,
			person,
			body: JSON.stringify(storedEvent({ person: ada })),
			ahead,
			state: "ready",
			attempts: 0,
		};
	});
	const outbox = {
		findOwed: async () => owed,
		deadLetters: async () => ({ items: [] }),
		stats: async () => ({ journal: 0, destinations: [] }),
	} as unknown as Outbox;
	const options = around(outbox, new AbortController().signal);
	const last = { ...storedEvent({ person: ada, name: "last" }), receivedAt: Date.now() + 1_000 };
	const events = [
		{ person, body: JSON.stringify(last), destinations: ["x"], claims: [], rank: 0, reserved: false, trusted: false },
	];
	options.activity.received({
		kind: "batch",
		site: "site",
		accepted: 1,
		row: sealBatch({ site: "site", events }),
		rejected: [],
		ordersUnread: 0,
		at: 1,
	});
	const { journeys } = await search({ person: ada.email }, options);
	expect(journeys[0]).toMatchObject({ event: { name: "last" }, deliveries: [{ state: "waiting", ahead: 200 }] });
});
