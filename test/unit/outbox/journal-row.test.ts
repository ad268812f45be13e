import { describe, expect, it } from "vitest";
import type { Claim, NewEvent } from "../../../server/outbox/batch.ts";
import { keyBytes, keyOf } from "../../../server/outbox/claim-key.ts";
import {
	bodiesStart,
	countEvents,
	eventsIn,
	type Head,
	routedOf,
	sealBatch,
	withoutPeople,
} from "../../../server/outbox/journal-row.ts";

const claim = (key: string, more: Partial<Claim> = {}): Claim => ({
	key,
	reason: "duplicate",
	at: 5,
	since: 0,
	until: 10,
	...more,
});
const event = (person: string, body: string, destinations: string[], claims: Claim[] = []): NewEvent => ({
	person,
	body,
	destinations,
	claims,
	rank: 0,
	reserved: false,
	trusted: false,
});

describe("a sealed batch", () => {
	it("holds its events unchanged, in one bundle for each run of one person's events", () => {
		const row = sealBatch({
			site: "shop",
			events: [
				event("ada", '{"n":1}', ["crisp"]),
				event("ada", '{"n":2}', []),
				event("bob", '{"text":"é\u{1f600}"}', ["crisp", "vibetrace"]),
			],
		});
		expect(row.bundles.map(({ person, events }) => [person, events])).toEqual([
			["ada", 2],
			["bob", 1],
		]);
		expect(eventsIn(row)).toEqual([
			{ person: "ada", body: '{"n":1}', destinations: ["crisp"] },
			{ person: "ada", body: '{"n":2}', destinations: [] },
			{ person: "bob", body: '{"text":"é\u{1f600}"}', destinations: ["crisp", "vibetrace"] },
		]);
	});

	it("has the exceptions of each route, once for alike events", () => {
		const special = () => ({
			...event("ada", "1", ["crisp", "own"]),
			exceptions: { crisp: { rank: 3, lapses: true } },
		});
		const plain = event("ada", "2", ["crisp", "own"]);
		const other = { ...plain, exceptions: { own: { alone: false } } };
		const row = sealBatch({ site: "shop", events: [special(), plain, special(), other] });
		const head = JSON.parse(row.head) as Head;
		expect(head.routes).toHaveLength(3);
		expect(head.bundles.flatMap((bundle) => routedOf(bundle, head)).map(({ exceptions }) => exceptions)).toEqual([
			{ crisp: { rank: 3, lapses: true } },
			undefined,
			{ crisp: { rank: 3, lapses: true } },
			{ own: { alone: false } },
		]);
	});

	it("rejects a body with a line break", () => {
		expect(() => sealBatch({ site: "shop", events: [event("ada", "{\n}", [])] })).toThrow(TypeError);
	});
});

describe("people taken out of a journal row", () => {
	const events = [
		event("ada", "1", ["crisp"], [claim("a"), claim("own", { ofPerson: true })]),
		event("bob", "2", ["crisp", "vibetrace"], [claim("b")]),
		event("ada", "3", ["crisp", "vibetrace"], [claim("c")]),
	];
	const row = sealBatch({ site: "shop", events });
	const keys = Buffer.from(row.bytes.subarray(0, bodiesStart(row)));
	const head = () => JSON.parse(row.head) as Head;
	const remaining = withoutPeople(head(), keys, new Set(["ada", "nobody"]));

	it("leave the other people's events at the same places", () => {
		expect(remaining.head.bundles.map(({ person, events }) => [person, events.length])).toEqual([
			["", 0],
			["bob", 1],
			["", 0],
		]);
		expect(remaining.places).toEqual([0, 2]);
		expect(remaining.events).toBe(2);
		expect(countEvents(remaining.head)).toBe(1);
		expect(remaining.keys).toEqual(keyOf("shop", "bob", claim("b")));
	});

	it("are returned with the deliveries they were owed", () => {
		expect(remaining.owed).toEqual(["crisp", "crisp", "vibetrace"]);
	});

	it("keep all claims that are not marked `ofPerson`, so that a late copy is a duplicate", () => {
		expect(remaining.lasting.map(({ key, term }) => [key, term.until])).toEqual([
			[keyOf("shop", "ada", claim("a")), 10],
			[keyOf("shop", "ada", claim("c")), 10],
		]);
	});

	it("change nothing if they have no event", () => {
		expect(withoutPeople(head(), keys, new Set(["nobody"]))).toEqual({
			head: head(),
			keys,
			events: 0,
			owed: [],
			lasting: [],
			places: [],
		});
		expect(keys.length).toBe(4 * keyBytes);
	});
});
