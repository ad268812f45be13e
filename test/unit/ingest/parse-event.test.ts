import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkEvent } from "../../../server/ingest/check-event.ts";
import { parseEvent } from "../../../server/ingest/parse-event.ts";
import { colors, type Event, eventSchema, eventTypes, limits } from "../../../shared/event.ts";

/** Number of random inputs. `EVENTFERRY_GUARD_RUNS=20000 npx vitest run test/unit/ingest` checks more. */
const numRuns = Number(process.env.EVENTFERRY_GUARD_RUNS ?? 2_000);

// ---------------------------------------------------------------- the schema and the structural checks, as a reference

const isSound = (value: unknown, levels: number): boolean =>
	typeof value === "number"
		? Number.isFinite(value)
		: typeof value !== "object" ||
			value === null ||
			(levels > 0 &&
				Object.entries(value).every(
					([key, inner]) => !["__proto__", "constructor", "prototype"].includes(key) && isSound(inner, levels - 1),
				));

function reference(raw: unknown): Event | undefined {
	if (!isSound(raw, limits.dataDepth + 1)) return undefined;
	return eventSchema.safeParse(raw).data;
}

// ---------------------------------------------------------------- events, valid and nearly valid

/** Mostly a good value, sometimes a bad one or nothing. */
const often = (good: fc.Arbitrary<unknown>, ...nearly: unknown[]) =>
	fc.oneof(
		{ weight: 120, arbitrary: good },
		{ weight: 6, arbitrary: fc.constantFrom(undefined, ...nearly) },
		{ weight: 1, arbitrary: odd },
	);
const maybe = (good: fc.Arbitrary<unknown>, ...nearly: unknown[]) =>
	fc.oneof(fc.constant(undefined), often(good, ...nearly));

const odd = fc.oneof(
	fc.constantFrom(
		...[null, "", " ", 0, -0, -1, 1.5, 2 ** 53, 1e308, Number.POSITIVE_INFINITY, true, false, [], {}, [null], "true"],
		...[
			"\u0000",
			"\u0085",
			"\ud800",
			"a\udc00b",
			"\u2028",
			"\u200b",
			"a\u202eb",
			"ÄÖ",
			"😀",
			"x\n",
			"__proto__",
			"constructor",
		],
	),
	fc.jsonValue({ maxDepth: 3 }),
);
const filled = (length: number) => "x".repeat(length);

/** An object with the defined fields in any order, sometimes with unknown fields among them. */
function object(fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
	const unknownField = fc.tuple(
		fc.oneof({ weight: 30, arbitrary: fc.string() }, { weight: 1, arbitrary: forbidden }),
		odd,
	);
	return fc
		.tuple(
			fc.record(fields),
			fc.oneof({ weight: 8, arbitrary: fc.constant([]) }, fc.array(unknownField, { maxLength: 2 })),
		)
		.chain(([known, others]) =>
			fc
				.shuffledSubarray([...others, ...Object.entries(known)], { minLength: 0 })
				.map((order) =>
					Object.fromEntries(
						[...order, ...Object.entries(known), ...others].filter(([, value]) => value !== undefined),
					),
				),
		);
}
const forbidden = fc.constantFrom("__proto__", "constructor", "prototype", "hasOwnProperty", "id", "1");

const id = fc.oneof(
	fc.string({ minLength: 1, maxLength: 12 }),
	fc.string({ minLength: 1, unit: "binary", maxLength: 3 }),
);
const anId = () => maybe(id, "", filled(200), filled(201));
const email = fc.oneof(
	fc.emailAddress(),
	fc.tuple(fc.constantFrom("", " ", "\t\n", "\u00a0", "\ufeff"), fc.emailAddress()).map((parts) => parts.join("")),
	fc.constantFrom(
		"a@b",
		"A@B.C ",
		"\u212a@b",
		"a\u200b@b",
		"a@b\ufeff",
		"ﬁ@b",
		"ä@ö.ü",
		`${filled(252)}@b`,
		`${filled(250)}@bc `,
	),
);
const scalar = fc.oneof(fc.string(), fc.integer(), fc.double({ noNaN: true }), fc.boolean(), fc.constant(null));
const nested = (depth: number): fc.Arbitrary<unknown> =>
	depth === 0
		? scalar
		: fc.oneof(
				scalar,
				fc.array(nested(depth - 1), { maxLength: 2 }),
				fc.dictionary(fc.string(), nested(depth - 1), { maxKeys: 2, noNullPrototype: true }),
			);
const deep = fc
	.array(fc.boolean(), { maxLength: 6 })
	.map((levels) => ({ a: levels.reduce<unknown>((inner, isArray) => (isArray ? [inner] : { b: 1, c: inner }), 1) }));
const data = fc.oneof(
	{ weight: 4, arbitrary: fc.dictionary(fc.string(), nested(3), { maxKeys: 4, noNullPrototype: true }) },
	{ weight: 1, arbitrary: deep },
	{
		weight: 1,
		arbitrary: object({
			text: maybe(fc.nat(20_000).map(filled)),
			more: maybe(fc.nat(3_000).map((n) => "\u0001".repeat(n))),
		}),
	},
);
const item = object({
	id: often(fc.oneof(id, fc.integer()), true),
	quantity: often(fc.nat(), "1"),
	price: maybe(fc.double()),
});
const order = object({
	orderId: often(fc.oneof(id, fc.integer()), filled(201), "", Number.NEGATIVE_INFINITY),
	total: maybe(fc.double({ noNaN: true, noDefaultInfinity: true }), "1", null, Number.POSITIVE_INFINITY),
	items: maybe(fc.array(item, { maxLength: 3 })),
	coupon: maybe(scalar),
});
const person = object({
	email: maybe(email, "@b", "a@", "a b@c", "a@b@c", "", filled(255), "a\u0000@b"),
	userId: anId(),
	anonymousId: anId(),
	token: maybe(fc.string({ minLength: 1 }), "", filled(4_096), filled(4_097), "\u0000"),
	ids: maybe(object({ crisp: anId(), helpcrunch: maybe(fc.nat(), 0, -1, 1.5, "1"), vibetrace: anId() })),
});
const contextText = maybe(fc.oneof(fc.webUrl(), fc.constantFrom(filled(2_048), filled(2_049), `${filled(2_047)}😀`)));

const nearlyEvent = fc.constantFrom(...eventTypes).chain((type) =>
	object({
		id: often(
			fc.oneof(
				fc.uuid(),
				fc.uuid().map((uuid) => uuid.toUpperCase()),
			),
			"01890a5d-ac96-774b-bcce-b302099a805",
			"x",
			"01890a5d-ac96-774b-bcce-b302099a8057\n",
		),
		at: often(fc.nat({ max: Number.MAX_SAFE_INTEGER }), -1, 1.5, 2 ** 53, "1"),
		type: often(fc.constant(type), "Track", "toString"),
		person: often(person),
		color: maybe(fc.constantFrom(...colors), "Red", "mauve", "length"),
		context: maybe(
			object({
				url: contextText,
				title: contextText,
				referrer: contextText,
				locale: contextText,
				timezone: contextText,
				via: contextText,
			}),
		),
		name: type === "track" ? often(id, "", filled(120), filled(121)) : maybe(id),
		data: type === "confirmation" ? often(order) : maybe(data),
	}),
);

// ---------------------------------------------------------------- the comparison

describe("parseEvent", () => {
	it("accepts the same input as the reference, and makes the same event of it", () => {
		const verdicts = { accepted: 0, refused: 0 };
		fc.assert(
			fc.property(fc.oneof({ weight: 9, arbitrary: nearlyEvent }, odd), (raw) => {
				const before = structuredClone(raw);
				const parsed = parseEvent(raw);
				deepStrictEqual(parsed?.event, reference(raw));
				deepStrictEqual(raw, before);
				verdicts[parsed ? "accepted" : "refused"] += 1;
				const bytes = parsed?.event.data ? Buffer.byteLength(JSON.stringify(parsed.event.data)) : 0;
				expect(parsed?.dataBytesAtMost ?? 0).toBeGreaterThanOrEqual(bytes);
			}),
			{ numRuns },
		);
		// Both verdicts must be common, or one of them would hardly be tested.
		expect(Math.min(verdicts.accepted, verdicts.refused)).toBeGreaterThan(numRuns / 5);
	});

	it("leaves it to checkEvent to refuse data as too large, counted in bytes", () => {
		const sender = { isBackend: false, clockOffset: 0, attributes: undefined, now: 1_000 };
		const event = (text: string) => ({
			...{ id: "01890a5d-ac96-774b-bcce-b302099a8057", at: 1_000, type: "track", name: "x" },
			...{ person: { userId: "ada" }, data: { text } },
		});
		const room = limits.dataBytes - Buffer.byteLength('{"text":""}');
		for (const [unit, bytes] of [
			["x", 1],
			["ö", 2],
			["€", 3],
			["\u0001", 6],
		] as const) {
			const most = unit.repeat(Math.floor(room / bytes));
			expect(checkEvent(event(most), sender)).toHaveProperty("stored");
			expect(checkEvent(event(most + unit), sender)).toHaveProperty("rejection.code", "event_too_large");
		}
	});
});
