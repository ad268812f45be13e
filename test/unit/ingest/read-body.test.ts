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

describe("a request body", () => {
	it("yields the original bytes of each event, non-ASCII characters included", () => {
		const events = [`{"id":"1","name":"café – 😀"}`, `{"id":"2","data":{"id":"2"}}`, `{"id":"3"}`];
		expect(texts(batch(...events))).toEqual(events);
		expect(read(batch(...events)).json).toEqual({
			writeKey: "site",
			sentAt: 1,
			events: events.map((e) => JSON.parse(e)),
		});
	});

	it.each([
		["nested lists of objects with ids", batch(`{"id":"1","data":{"items":[{"id":"a"},{"id":"b"}]}}`)],
		["an event within an event", batch(`{"id":"1","data":[{},{"id":"2","x":[{"id":"3"}]}]}`)],
		["a space between events", `{"events":[{"id":"1"}, {"id":"2","data":[{"a":1},{"id":"2"}]}]}`],
		["line breaks", batch(`{"id":"1",\n"a":1}`)],
		["a list of events in another field", `{"a":{"events":[{"id":"1"}]}}`],
		["a second list of events", `{"events":[{"id":"1"}],"events":[{"id":"2"},{"id":"3"}]}`],
		["a field after the events", `{"events":[{"id":"1"}],"writeKey":"site"}`],
		["a key that ends like that of the events", `{"a\\"events":[{"id":"1"}]}`],
		[
			"a text that looks like events",
			`{"a":"\\"events\\":[{\\"id\\":\\"1\\"},{\\"id\\":\\"2\\"","events":[{"id":"1"}]}`,
		],
		["a text that ends in a comma", `{"a":",\\"events":[{"id":"1"}]}`],
		["a missing end", `{"events":[{"id":"1"},{"id":"2"`],
		["a truncated event", `{"events":[{"id":"1"},{"id":"2]}`],
		["a wrong bracket at its end", `{"events":[{"id":"1"}}}`],
		["one bracket too many", `{"events":[{"id":"1"}]]}`],
	])("is read as parseJson reads the whole, with %s", (_what, body) => {
		expect(piecewise(body)).toEqual(wholly(body));
		for (const [index, text] of (wholly(body) === "not JSON" ? [] : (texts(body) ?? [])).entries()) {
			if (text !== undefined) expect(JSON.parse(text)).toEqual((wholly(body) as { events: unknown[] }).events[index]);
		}
	});

	it("is read as parseJson reads the whole, for any sequence of tokens", () => {
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

	it("is not split if it is not UTF-8 or has line breaks, and yields no bytes of an event with escapes", () => {
		expect(texts(batch(`{"id":"1",\n"a":1}`))).toBeUndefined();
		expect(texts(Buffer.from(batch(`{"id":"\xff"}`), "latin1"))).toBeUndefined();
		expect(texts(batch(`{"id":"1","a":"\\u0061"}`, `{"id":"2"}`))).toEqual([undefined, `{"id":"2"}`]);
	});

	it("is not split if it has more events than allowed", () => {
		const some = Array.from({ length: limits.batchEvents }, () => `{"id":"1"}`);
		expect(texts(batch(...some))).toHaveLength(limits.batchEvents);
		expect(texts(batch(...some, ...some))).toBeUndefined();
		expect(read(batch(...some, ...some)).json).toMatchObject({ events: { length: 2 * limits.batchEvents } });
	});

	it.each([
		["in pieces", batch],
		["as a whole", (event: string) => `\n${batch(event)}`],
	])("keeps its keys, whatever was parsed before: read %s", (how, bodyOf) => {
		// V8 would confuse the keys of the two texts: https://github.com/nodejs/node/issues/63785.
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

describe("a stored event", () => {
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
		["as it came", "without changes", good, {}],
		["as it came", "from the backend", good, { isBackend: true }],
		["as it came", "with all fields", { ...good, color: "red", context: { url: "https://a.example/" } }, {}],
		["as it came", "that sets an allowed attribute", { ...good, type: "update", name: undefined }, {}],
		["written anew", "with an unknown field", { ...good, other: 1 }, {}],
		["written anew", "whose person has an unknown field", { ...good, person: { ...good.person, other: 1 } }, {}],
		["written anew", "whose context has an unknown field", { ...good, context: { other: 1 } }, {}],
		[
			"written anew",
			"whose context is too long",
			{ ...good, context: { url: "x".repeat(limits.contextLength + 1) } },
			{},
		],
		["written anew", "from a wrong clock", good, { clockOffset: 5 }],
		["written anew", "from the future", { ...good, at: 3_000 }, {}],
		["written anew", "whose e-mail is not normalised", { ...good, person: { email: "Ada@example.com" } }, {}],
		["written anew", "whose id is in upper case", { ...good, id: id.toUpperCase() }, {}],
		[
			"written anew",
			"that sets a forbidden attribute",
			{ ...good, type: "update", name: undefined },
			{ attributes: ["b"] },
		],
	])("is %s: an event %s", (how, _what, event, more) => {
		expect(stored(event, more)).toBe(how);
	});

	it("is written anew if its bytes hold more than the event, or the event more than its bytes", () => {
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

	it("is written anew if the page sent a provider's id or a token", () => {
		const identities = new Map([["token", { email: "ada@example.com", expiresAt: 9_000 }]]);
		const person = { token: "token" };
		expect(stored({ ...good, person }, { identities } as never)).toBe("written anew");
		expect(stored({ ...good, person: { ...good.person, ids: { crisp: "x" } } })).toBe("written anew");
	});
});
