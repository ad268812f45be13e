import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shownRequest } from "../../../server/observe/shown.ts";
import type { PlannedRequest } from "../../../server/providers/provider.ts";
import { createProvider } from "../../../server/providers/registry.ts";
import { storedEvent } from "../../support/one-event.ts";

describe("a displayed request", () => {
	const request = (method: PlannedRequest["method"], ...path: string[]): PlannedRequest => ({
		purpose: "x",
		method,
		path,
		body: {},
		ifDelivered: {},
	});

	it.each([
		[request("POST", "website", "8c84-1", "people", "events", "ada@example.com"), "POST /website/…/people/events/…"],
		[request("PATCH", "customers", "42"), "PATCH /customers/…"],
		[request("PUT", "user", "Ada"), "PUT /user/…"],
		[request("POST", "events"), "POST /events"],
	])("keeps only the fixed words of the route: %#", (planned, shown) => {
		expect(shownRequest(planned, {})).toBe(shown);
	});

	it("hides an id of the person that looks like a word", () => {
		const person = { userId: "ada", ids: { crisp: "people", helpcrunch: 7 } };
		expect(shownRequest(request("POST", "user", "ada", "people", "7"), person)).toBe("POST /user/…/…/…");
	});

	const common = { createPeople: "always", occurredAt: "never", baseUrl: "https://example.com" } as const;
	const providers = [
		createProvider("crisp", {
			...common,
			websiteId: "0f1e-2d",
			identifier: "i",
			key: "k",
			tier: "website",
			createFirst: false,
		}),
		createProvider("helpcrunch", { ...common, apiKey: "k" }),
		createProvider("vibetrace", { ...common, apiKey: "k", standardEvents: [] }),
	];
	it.each(providers)("never reveals the person in a request to $name", (provider) => {
		const id = fc.stringMatching(/^[a-z]{4,12}$/);
		fc.assert(
			fc.property(id, fc.constantFrom("track", "login", "update"), fc.boolean(), (word, type, isMissing) => {
				const person = { email: `${word}@${word}.example`, userId: word, ids: { crisp: word, helpcrunch: 7_654_321 } };
				const known = isMissing ? { missingAt: Date.now(), of: word } : {};
				const plan = provider.plan([storedEvent({ type, person, data: { name: "x" } })], known, Date.now());
				if (plan.kind !== "send") return;
				const shown = shownRequest(plan.request, person);
				const words = shown.split(/[ /]/);
				expect(words).not.toContain(word);
				expect(shown).not.toMatch(/example|7654321|0f1e/);
			}),
		);
	});
});
