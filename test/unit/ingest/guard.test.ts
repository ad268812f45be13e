import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkEvent } from "../../../server/ingest/check-event.ts";
import { guardEvent } from "../../../server/ingest/guard.ts";
import { colors, type Event, eventSchema, eventTypes, limits } from "../../../shared/event.ts";

/** `EVENTFERRY_GUARD_RUNS=20000 npx vitest run test/unit/ingest` looks longer. */
const numRuns = Number(process.env.EVENTFERRY_GUARD_RUNS ?? 2_000);

// ---------------------------------------------------------------- what the guard must agree with

const isSound = (value: unknown, levels: number): boolean =>
	typeof value === "number"
		? Number.isFinite(value)
		: typeof value !== "object" ||
			value === null ||
			(levels > 0 &&
				Object.entries(value).every(
					([key, inner]) => !["__proto__", "constructor", "prototype"].includes(key) && isSound(inner, levels - 1),
				));

function slowly(raw: unknown): Event | undefined {
	if (!isSound(raw, limits.dataDepth + 1)) return undefined;
	return eventSchema.safeParse(raw).data;
}

// ---------------------------------------------------------------- events, good and nearly good

/** Now and then something else in a field's place, or nothing. */
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
		...["\u0000", "\u0085", "\ud800", "a\udc00b", "\u2028", "ÄÖ", "😀", "x\n", "__proto__", "constructor"],
	),
	fc.jsonValue({ maxDepth: 3 }),
);
const filled = (length: number) => "x".repeat(length);

/** A record of the fields that are defined, in any order, sometimes with others among them. */
function object(fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
	const other = fc.tuple(fc.oneof({ weight: 30, arbitrary: fc.string() }, { weight: 1, arbitrary: forbidden }), odd);
	return fc
		.tuple(fc.record(fields), fc.oneof({ weight: 8, arbitrary: fc.constant([]) }, fc.array(other, { maxLength: 2 })))
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
	fc.constantFrom("a@b", "A@B.C ", "ä@ö.ü", `${filled(252)}@b`, `${filled(250)}@bc `),
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
			}),
		),
		name: type === "track" ? often(id, "", filled(120), filled(121)) : maybe(id),
		data: type === "confirmation" ? often(order) : maybe(data),
	}),
);

// ---------------------------------------------------------------- the proof

describe("the guard", () => {
	it("takes what the schema and the structural checks take, and makes the same event of it", () => {
		const seen = { taken: 0, refused: 0 };
		fc.assert(
			fc.property(fc.oneof({ weight: 9, arbitrary: nearlyEvent }, odd), (raw) => {
				const before = structuredClone(raw);
				const guarded = guardEvent(raw);
				deepStrictEqual(guarded?.event, slowly(raw));
				deepStrictEqual(raw, before);
				seen[guarded ? "taken" : "refused"] += 1;
				const bytes = guarded?.event.data ? Buffer.byteLength(JSON.stringify(guarded.event.data)) : 0;
				expect(guarded?.dataBytesAtMost ?? 0).toBeGreaterThanOrEqual(bytes);
			}),
			{ numRuns },
		);
		// Neither verdict may be rare, or the other's proof would be worth little.
		expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(numRuns / 5);
	});

	it("leaves an event whose data is too large to be refused as that, counted in bytes", () => {
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
