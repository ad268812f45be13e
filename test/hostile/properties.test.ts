import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseJson } from "../../server/http/exact-json.ts";
import { checkEvent } from "../../server/ingest/check-event.ts";
import { buildUrl } from "../../server/providers/exchange.ts";
import type { PlannedRequest, Provider } from "../../server/providers/provider.ts";
import { createProvider } from "../../server/providers/registry.ts";
import type { StoredEvent } from "../../server/stored-event.ts";
import { event } from "../support/proxy.ts";
import { startBuilt } from "./built.ts";
import { attack, attemptsOf, deliversNothing, nearlyEvent } from "./mutated.ts";

const numRuns = 20_000;
const seed = Number(process.env.EVENTFERRY_SEED ?? Date.now() % 2 ** 31);

test(`${numRuns} mutated batches bring no 5xx, no crash and no unknown code (EVENTFERRY_SEED=${seed})`, async () => {
	// A later test checks that accepted events arrive unchanged.
	const built = await startBuilt(deliversNothing);
	try {
		const { sent, flaw, attempt } = await attack(built.url, attemptsOf(seed, numRuns));
		expect(flaw, `${attempt?.body.toString("latin1")} ${JSON.stringify(attempt?.headers)}`).toBeUndefined();
		expect(sent).toBe(numRuns);
		expect((await built.batch(event())).accepted).toBe(1);
		expect((await fetch(`${built.url}/readyz`)).status).toBe(200);
		expect((await built.settled(0)).events).toBeGreaterThan(numRuns / 10);
		expect(built.output().split("\n").filter(Boolean)).toHaveLength(1);
	} finally {
		expect(await built.stop()).toBe(0);
	}
});

const options = { baseUrl: "https://provider.invalid/v1", createPeople: "always", occurredAt: "never" } as const;
const account = { websiteId: "site-1", identifier: "id", key: "key", tier: "website", createFirst: false } as const;
const crisp = createProvider("crisp", { ...options, ...account });
const helpcrunch = createProvider("helpcrunch", { ...options, apiKey: "key" });
const vibetrace = createProvider("vibetrace", { ...options, apiKey: "key", standardEvents: [] });

/** Writes a value as JSON and reads it again. */
const written = (value: unknown): ReturnType<typeof JSON.parse> => parseJson(JSON.stringify(value));

/** Passes an event through ingest and the store. Undefined if it is rejected. */
function taken(raw: unknown): StoredEvent | undefined {
	const sender = { isBackend: false, clockOffset: 0, attributes: undefined, now: Date.now() };
	const checked = checkEvent(written(raw), sender);
	return "stored" in checked ? (written(checked.stored) as StoredEvent) : undefined;
}
/** Plans the request for an event, as the provider reads it. Undefined if none is planned. */
function sentFor(provider: Provider, stored: StoredEvent, known = {}) {
	const plan = provider.plan([stored], known, Date.now());
	if (plan.kind !== "send") return undefined;
	const { path, query, body } = plan.request as PlannedRequest;
	return { path, query, body: written(body), url: buildUrl(options.baseUrl, path, query) };
}
/** Makes knowledge of the person's id at HelpCrunch, so that the event is sent without a search. */
const idOf = ({ event: { person } }: StoredEvent) => ({
	ids: { [person.userId !== undefined ? `userId:${person.userId}` : `email:${person.email}`]: 7 },
});

/** Removes the names that Vibetrace's database could take for operators or paths, at every level. */
function withoutOperators(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(withoutOperators);
	if (typeof value !== "object" || value === null) return value;
	const kept = Object.entries(value).filter(([key]) => !/[$.]/.test(key.normalize("NFKD")));
	return Object.fromEntries(kept.map(([key, inner]) => [key, withoutOperators(inner)]));
}

describe(`every accepted event (seed ${seed})`, () => {
	test("has its data delivered unchanged", () => {
		let checked = 0;
		fc.assert(
			fc.property(nearlyEvent, (raw) => {
				const stored = taken({ ...raw, type: "track" });
				if (!stored) return;
				checked += 1;
				const { name, ...given } = written(raw);
				const data = given.data ?? {};
				const [atCrisp, atHelpCrunch, atVibetrace] = [
					sentFor(crisp, stored)?.body,
					sentFor(helpcrunch, stored, idOf(stored))?.body,
					sentFor(vibetrace, stored)?.body,
				];
				if (stored.event.person.email !== undefined) {
					// An address that may not stay one segment of a path is not sent.
					if (atCrisp) expect([atCrisp.text, atCrisp.data ?? {}]).toEqual([name, data]);
					const { email, _id, isSubscribed, unsubscribed, ...rest } = data;
					expect(atVibetrace.event.generic.generic).toEqual({
						...(withoutOperators(rest) as object),
						event_name: name,
					});
				}
				expect([atHelpCrunch.name, atHelpCrunch.data ?? {}, atHelpCrunch.customer]).toEqual([name, data, 7]);
			}),
			{ numRuns, seed },
		);
		expect(checked).toBeGreaterThan(numRuns / 4);
	});

	const anything = fc.oneof(
		fc.string(),
		fc.string({ unit: "binary" }),
		fc.string({
			unit: fc.constantFrom("/", "\\", ".", "%", "2", "e", "?", "#", "@", " ", "\r", "\n", '"', "é", "💥", ";", ":"),
		}),
	);
	test("has each of e-mail, userId and name sent as one path segment or one JSON string", () => {
		let checked = 0;
		fc.assert(
			fc.property(anything, anything, anything, (local, userId, name) => {
				const email = `${local}@example.com`;
				const stored = taken(event({ name, person: { email, userId } }));
				if (!stored) return;
				checked += 1;
				const address = email.trim().replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
				const atCrisp = sentFor(crisp, stored);
				// An address that may not stay one segment of a path is not sent.
				if (atCrisp) {
					const url = new URL(atCrisp.url ?? "");
					const segments = url.pathname.split("/");
					expect(segments).toHaveLength(7);
					expect(decodeURIComponent(segments.at(-1) ?? "")).toBe(address);
					expect([url.origin, url.search, url.hash]).toEqual(["https://provider.invalid", "", ""]);
					expect(decodeURIComponent(decodeURIComponent(url.pathname)).split("/")).toHaveLength(7);
					expect(atCrisp.body).toEqual({ text: name });
				}
				expect(sentFor(vibetrace, stored)?.body).toEqual({
					user: { email: address },
					event: { generic: { generic: { event_name: name } } },
				});
				const id = userId.trim();
				const isNobody = ["", "undefined", "null", "NaN", "[object Object]"].includes(id);
				const named = isNobody
					? { field: "customers.email", value: address }
					: { field: "customers.userId", value: id };
				expect(sentFor(helpcrunch, stored)?.body.filter).toEqual([{ operator: "=", ...named }]);
				expect(sentFor(helpcrunch, stored, idOf(stored))?.body).toEqual({ customer: 7, name });
			}),
			{ numRuns, seed },
		);
		expect(checked).toBeGreaterThan(numRuns / 10);
	});
});
