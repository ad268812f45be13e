import { Buffer } from "node:buffer";
import type { Request } from "express";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJson } from "../../../server/http/exact-json.ts";
import { checkEvent } from "../../../server/ingest/check-event.ts";
import { readBody } from "../../../server/ingest/read-body.ts";
import { storedBody } from "../../../server/ingest/stored-body.ts";
import type { StoredEvent } from "../../../server/stored-event.ts";
import { limits } from "../../../shared/event.ts";

const read = (body: string | Buffer) =>
	readBody({ body: Buffer.from(body as string), headers: { "content-type": "application/json" } } as Request);
const texts = (body: string | Buffer) => read(body).pieces?.map((piece) => piece && Buffer.from(piece).toString());

const id = "01890a5d-ac96-774b-bcce-b302099a8057";
const batch = (...events: string[]) => `{"writeKey":"site","sentAt":1,"events":[${events.join(",")}]}`;
const wholly = (body: string): unknown => {
	try {
		return parseJson(body);
	} catch {
		return "not JSON";
	}
};
const piecewise = (body: string): unknown => {
	try {
		return read(body).json;
	} catch {
		return "not JSON";
	}
};

describe("a body that is read", () => {
	it("has the bytes of each event, whatever they are in", () => {
		const events = [`{"id":"1","name":"café – 😀"}`, `{"id":"2","data":{"id":"2"}}`, `{"id":"3"}`];
		expect(texts(batch(...events))).toEqual(events);
		expect(read(batch(...events)).json).toEqual({
			writeKey: "site",
			sentAt: 1,
			events: events.map((e) => JSON.parse(e)),
		});
	});

	it.each([
		["lists of what has an id too", batch(`{"id":"1","data":{"items":[{"id":"a"},{"id":"b"}]}}`)],
		["an event within an event", batch(`{"id":"1","data":[{},{"id":"2","x":[{"id":"3"}]}]}`)],
		["a space between events", `{"events":[{"id":"1"}, {"id":"2","data":[{"a":1},{"id":"2"}]}]}`],
		["lines", batch(`{"id":"1",\n"a":1}`)],
		["events in another's data", `{"a":{"events":[{"id":"1"}]}}`],
		["a second list of events", `{"events":[{"id":"1"}],"events":[{"id":"2"},{"id":"3"}]}`],
		["events that something follows", `{"events":[{"id":"1"}],"writeKey":"site"}`],
		["a key that ends as events do", `{"a\\"events":[{"id":"1"}]}`],
		[
			"a text that looks like events",
			`{"a":"\\"events\\":[{\\"id\\":\\"1\\"},{\\"id\\":\\"2\\"","events":[{"id":"1"}]}`,
		],
		["a text that ends in a comma", `{"a":",\\"events":[{"id":"1"}]}`],
		["no end", `{"events":[{"id":"1"},{"id":"2"`],
		["an event that is cut", `{"events":[{"id":"1"},{"id":"2]}`],
		["another bracket at its end", `{"events":[{"id":"1"}}}`],
		["one bracket too many", `{"events":[{"id":"1"}]]}`],
	])("says what parseJson says of the whole, with %s", (_what, body) => {
		expect(piecewise(body)).toEqual(wholly(body));
		for (const [index, text] of (wholly(body) === "not JSON" ? [] : (texts(body) ?? [])).entries()) {
			if (text !== undefined) expect(JSON.parse(text)).toEqual((wholly(body) as { events: unknown[] }).events[index]);
		}
	});

	it("says what parseJson says of the whole, however it is put together", () => {
		const tokens = fc.constantFrom(
			...[
				'{"events":[{"id":"',
				'"events":[{"id":"',
				'},{"id":"',
				'"}',
				'"',
				"}",
				"{",
				"[",
				"]",
				",",
				":",
				"\\",
				"\\\\",
			],
			...['"a":', '"a":1', '"1"', "]}", '"}]}', '{"id":"1"}', '{"id":"1","a":[', "é", " ", "\n"],
		);
		const strings = fc.array(tokens, { maxLength: 12 }).map((parts) => parts.join(""));
		const bodies = fc.oneof(
			strings.map((text) => `{"events":[{"id":"${text}]}`),
			fc.tuple(strings, strings).map(([a, b]) => `{${a}"events":[{"id":"${b}"}]}`),
			fc
				.array(fc.record({ id: fc.constant("1"), a: fc.jsonValue() }))
				.map((events) => JSON.stringify({ a: 1, events })),
		);
		fc.assert(
			fc.property(bodies, (body) => {
				const whole = wholly(body);
				expect(piecewise(body)).toEqual(whole);
				if (whole === "not JSON") return;
				const { json, pieces = [] } = read(body);
				for (const [index, piece] of pieces.entries()) {
					if (!piece) continue;
					const text = Buffer.from(piece).toString();
					expect(JSON.parse(text)).toEqual((json as { events: unknown[] }).events[index]);
				}
			}),
			{ numRuns: 5_000 },
		);
	});

	it("is not taken to pieces where it is not UTF-8 or of several lines, and has none for what is escaped", () => {
		expect(texts(batch(`{"id":"1",\n"a":1}`))).toBeUndefined();
		expect(texts(Buffer.from(batch(`{"id":"\xff"}`), "latin1"))).toBeUndefined();
		expect(texts(batch(`{"id":"1","a":"\\u0061"}`, `{"id":"2"}`))).toEqual([undefined, `{"id":"2"}`]);
	});

	it("is not taken to pieces where it has more events than are taken", () => {
		const some = Array.from({ length: limits.batchEvents }, () => `{"id":"1"}`);
		expect(texts(batch(...some))).toHaveLength(limits.batchEvents);
		expect(texts(batch(...some, ...some))).toBeUndefined();
		expect(read(batch(...some, ...some)).json).toMatchObject({ events: { length: 2 * limits.batchEvents } });
	});

	it.each([
		["in pieces", batch],
		["as a whole", (event: string) => `\n${batch(event)}`],
	])("has the keys it was sent with, whatever was sent before: read %s", (how, bodyOf) => {
		const [before] = (read(bodyOf(`{"id":"1","${how}":1,"\\\\":2}`)).json as { events: object[] }).events;
		const [event] = (read(bodyOf(`{"id":"1","${how}":1,"\\n":2}`)).json as { events: object[] }).events;
		expect([before, event].map((each) => Object.keys(each ?? {}))).toEqual([
			["id", how, "\\"],
			["id", how, "\n"],
		]);
	});

	it("may start with a byte order mark", () => {
		expect(read(`\ufeff${batch(`{"id":"1"}`)}`).json).toMatchObject({ events: [{ id: "1" }] });
	});
});

describe("an event as it is stored", () => {
	const sender = { isBackend: false, clockOffset: 0, attributes: undefined, now: 2_000 };
	const good = { id, at: 1_000, type: "track", name: "café", data: { a: [1] }, person: { email: "ada@example.com" } };
	function stored(event: object, more: Partial<Parameters<typeof checkEvent>[1]> = {}) {
		const [raw] = (read(batch(JSON.stringify(event))).json as { events: unknown[] }).events;
		const [piece] = read(batch(JSON.stringify(event))).pieces ?? [];
		const checked = checkEvent(raw, { ...sender, ...more });
		if (!("stored" in checked)) throw new Error(checked.rejection.message);
		const body = storedBody(checked.stored, raw, piece);
		expect(JSON.parse(body.toString())).toEqual(JSON.parse(JSON.stringify(checked.stored)));
		return typeof body === "string" ? "written anew" : "as it came";
	}

	it.each<[string, string, object, Partial<Parameters<typeof checkEvent>[1]>]>([
		["as it came", "in which nothing was changed", good, {}],
		["as it came", "of the backend", good, { isBackend: true }],
		["as it came", "with all there is", { ...good, color: "red", context: { url: "https://a.example/" } }, {}],
		["as it came", "that sets what it may", { ...good, type: "update", name: undefined }, {}],
		["written anew", "with a field that nobody knows", { ...good, other: 1 }, {}],
		["written anew", "whose person has one", { ...good, person: { ...good.person, other: 1 } }, {}],
		["written anew", "whose context has one", { ...good, context: { other: 1 } }, {}],
		[
			"written anew",
			"whose context is too long",
			{ ...good, context: { url: "x".repeat(limits.contextLength + 1) } },
			{},
		],
		["written anew", "of a clock that was wrong", good, { clockOffset: 5 }],
		["written anew", "of the future", { ...good, at: 3_000 }, {}],
		["written anew", "whose e-mail is written otherwise", { ...good, person: { email: "Ada@example.com" } }, {}],
		["written anew", "whose id is written otherwise", { ...good, id: id.toUpperCase() }, {}],
		["written anew", "that sets what it may not", { ...good, type: "update", name: undefined }, { attributes: ["b"] }],
	])("is %s: one %s", (how, _what, event, more) => {
		expect(stored(event, more)).toBe(how);
	});

	it("is written anew where it came with more than it says, or says more than it came with", () => {
		const event = JSON.stringify(good);
		const padded = event.replace("{", `{"id":"${id}","data":{"a":"${"x".repeat(limits.dataBytes)}"},`);
		const { json, pieces = [] } = read(batch(event, padded));
		const [raw, again] = (json as { events: object[] }).events;
		expect(again).toEqual(raw);
		const saved = { event: raw, trusted: false, receivedAt: 1 } as unknown as StoredEvent;
		expect(pieces.map((piece) => typeof storedBody(saved, raw, piece))).toEqual(["object", "string"]);
		const { data: _, ...less } = good;
		const says = { ...saved, event: { ...less, ...good } } as unknown as StoredEvent;
		expect(typeof storedBody(says, { ...less, person: good.person }, pieces[0])).toBe("string");
	});

	it("is written anew where it has a provider's id of a page, or a token", () => {
		const identities = new Map([["token", { email: "ada@example.com", expiresAt: 9_000 }]]);
		const person = { token: "token" };
		expect(stored({ ...good, person }, { identities } as never)).toBe("written anew");
		expect(stored({ ...good, person: { ...good.person, ids: { crisp: "x" } } })).toBe("written anew");
	});
});
