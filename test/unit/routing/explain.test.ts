import fc from "fast-check";
import { expect, it } from "vitest";
import { checkConfig } from "../../../server/config/config.ts";
import { accountsOf, createExplain } from "../../../server/sites.ts";
import { eventTypes } from "../../../shared/event.ts";

const secret = "credential-of-an-account";
const { sites } = checkConfig({
	sites: [
		{
			writeKey: "site_a",
			origins: ["https://a.example"],
			crisp: { websiteId: "w", identifier: secret, key: secret, createPeople: "verified" },
			helpcrunch: { apiKey: secret },
			vibetrace: { apiKey: secret, events: ["*"] },
			rules: [
				{ event: "x*", as: "confirmation" },
				{ event: "login", to: ["vibetrace"], as: "track" },
				{ event: "page", send: true, digest: true, expires: "2h" },
			],
		},
	],
});
const explain = createExplain(new Map(sites.map((site) => [site, accountsOf(site)])));

const event = fc.record(
	{
		type: fc.constantFrom(...eventTypes, "purchase"),
		name: fc.oneof(fc.constantFrom("x", "y"), fc.string()),
		at: fc.oneof(fc.constant(Date.now()), fc.integer()),
		person: fc.oneof(
			fc.record({ email: fc.emailAddress(), userId: fc.string({ minLength: 1 }) }, { requiredKeys: [] }),
			fc.constant({ userId: "7", ids: { crisp: "p", helpcrunch: 7, vibetrace: "v" } }),
			fc.jsonValue(),
		),
		backend: fc.oneof(fc.boolean(), fc.boolean(), fc.jsonValue()),
		data: fc.oneof(fc.constant({ orderId: "A" }), fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue()),
		context: fc.jsonValue(),
	},
	{ requiredKeys: [] },
);

it("an explanation is total: of any JSON it tells the flaw, or follows the requests to an end", () => {
	fc.assert(
		fc.property(fc.oneof(event, event, fc.jsonValue()), (raw) => {
			const before = JSON.stringify(raw);
			const explanation = explain(raw);
			expect(JSON.stringify(raw)).toBe(before);
			if ("flaw" in explanation) {
				expect(explanation.flaw).not.toBe("");
				return;
			}
			expect(JSON.stringify(explanation)).not.toContain(secret);
			expect(Object.keys(explanation.destinations)).toEqual(["crisp", "helpcrunch", "vibetrace"]);
			for (const { sent, requests, cost, ends, reason } of Object.values(explanation.destinations)) {
				expect(cost).toBe(requests.length);
				expect(ends !== undefined).toBe(sent);
				expect(reason).not.toBe("no_progress");
				if (ends === "delivered") expect(requests.at(-1)?.answer ?? "delivered").toBe("delivered");
				if (!sent) expect(cost).toBe(0);
			}
		}),
		{ numRuns: 1_000 },
	);
});

it("tells that a destination's own tracker has sent an event, whatever its `events` say", () => {
	const { crisp, vibetrace } = Object(explain({ name: "y", context: { via: "crisp" } })).destinations;
	expect(crisp).toMatchObject({ sent: false, because: "its own tracker has sent it" });
	expect(vibetrace).toMatchObject({ sent: true, because: "events lists it" });
	const other = Object(explain({ name: "y", context: { via: "vibetrace" } })).destinations;
	expect(other.vibetrace).toMatchObject({ sent: false, because: "its own tracker has sent it" });
	expect(Object(explain({ type: "page", context: { via: "crisp" } })).destinations.crisp).toMatchObject({
		...{ sent: true, because: "rules[2] says send: true" },
	});
});

it("tells of no part of a rule that the event cannot have at a destination", () => {
	const rules = [
		{ event: "*", digest: true },
		{ event: "viewitem", color: "blue" },
		{ event: "x*", as: "confirmation", name: "Bought", pick: { orderId: "id" } },
	];
	const [site] = sites;
	const checked = checkConfig({ sites: [{ ...site, vibetrace: { apiKey: secret }, rules }] }).sites;
	const ask = createExplain(new Map(checked.map((each) => [each, accountsOf(each)])));
	const at = (event: object) => Object(ask(event)).destinations;
	const view = at({ name: "viewitem" });
	expect(view.crisp).toMatchObject({ as: { digest: true }, by: { digest: "rules[0]", color: "rules[1]" } });
	expect(view.vibetrace.as).toEqual({ type: "track", name: "viewitem" });
	expect(view.vibetrace.by).toEqual({ color: "rules[1]" });
	expect(at({ name: "xy" }).crisp.by).toEqual({});
	expect(at({ name: "xy", data: { id: "A-1" } }).crisp.by).toEqual({
		...{ as: "rules[2]", name: "rules[2]", pick: "rules[2]" },
	});
});

it("tells that a visitor's event creates nobody where only verified ones may", () => {
	const explanation = explain({ name: "y" });
	expect("flaw" in explanation ? {} : explanation.destinations.crisp).toMatchObject({
		...{ sent: true, ends: "discarded", reason: "unknown_person", cost: 1 },
	});
});

it("labels and creations of the backend are explained as they are sent, and not as a page's", () => {
	const login = { type: "login", data: { segments: ["vip"], plan: "pro" } };
	const bodies = (raw: object) => {
		const explanation = explain(raw);
		if ("flaw" in explanation) throw new Error(explanation.flaw);
		return explanation.destinations.crisp?.requests.map(({ body }) => JSON.stringify(body));
	};
	expect(bodies({ ...login, backend: true })?.join()).toContain('"segments":["vip"]');
	expect(bodies({ ...login, backend: false })?.join()).not.toContain("vip");
	expect(bodies(login)).toEqual(bodies({ ...login, backend: false }));
	expect(explain({ ...login, backend: "yes" })).toEqual({ flaw: "backend: must be true or false" });
});
