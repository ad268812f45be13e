import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Provider } from "../../../server/providers/provider.ts";
import { createProvider } from "../../../server/providers/registry.ts";
import type { StoredEvent } from "../../../server/stored-event.ts";
import { eventSchema, type Person } from "../../../shared/event.ts";
import { deliverLane, type Reply, type Sent } from "./lane.ts";

const now = Date.UTC(2026, 10, 23, 12);
const options = { baseUrl: "https://provider.invalid/v1", createPeople: "always", occurredAt: "late" } as const;
const credentials = { websiteId: "site-1", identifier: "id", key: "key", tier: "website", createFirst: false } as const;
const crisp = createProvider("crisp", { ...options, ...credentials });
const eagerCrisp = createProvider("crisp", { ...options, ...credentials, createFirst: true });
const helpcrunch = createProvider("helpcrunch", { ...options, apiKey: "key" });
const vibetrace = createProvider("vibetrace", { ...options, apiKey: "key", standardEvents: [] });

/** Replies that a request may get, the success first. */
function repliesTo({ path }: Sent): Reply[] {
	const refused: Reply[] = [[400, { errors: [{ message: "User not found" }] }], [404], [409], [422], [200], [200, []]];
	if (path.endsWith("/search")) {
		// A search may find people who do not match it.
		const people = [[{ id: 7, email: "ada@example.com", userId: "u-1" }], [{ id: 8 }], [], [{ id: 9, userId: "u-9" }]];
		return [...people.map((data): Reply => [200, { data }]), ...refused];
	}
	return [[200, { id: 7 }], ...refused, [201, { data: { id: 8 } }], [400, { error: true, reason: "invalid_data" }]];
}

const attributesOf = fc.dictionary(
	fc.constantFrom("name", "phone", "plan", "email", "planName", "segments", "tags"),
	fc.constantFrom("", "a", "b", 1, null, ["a"], ["a", "b"]),
);
const person = fc.record({
	email: fc.constant("ada@example.com"),
	...{ userId: fc.option(fc.constantFrom("u-1", "u-2"), { nil: undefined }) },
	ids: fc.option(
		fc.constantFrom(
			{ crisp: "p-1", vibetrace: "v-1", helpcrunch: 5 },
			{ crisp: "p-2", vibetrace: "v-2", helpcrunch: 6 },
		),
		{ nil: undefined },
	),
});
const stored = fc
	.record({ type: fc.constantFrom("track", "update", "update", "login"), person, data: attributesOf })
	.map(({ type, ...fields }): StoredEvent => {
		const named = type === "track" && { name: "x" };
		const event = eventSchema.parse({ id: crypto.randomUUID(), at: now, type, ...named, ...fields });
		return { event, trusted: false, receivedAt: now };
	});

/** Repeats the replies of each route in turn, so that a provider in an endless loop stays in it. */
function repeating(choices: number[][]) {
	const seen = new Map<string, number[]>();
	return (request: Sent): Reply => {
		const route = `${request.method} ${request.path.split("/").slice(0, -1).join("/")}`;
		const ofRoute = seen.get(route) ?? [...(choices[seen.size % choices.length] ?? [])];
		const choice = ofRoute.shift() ?? 0;
		seen.set(route, [...ofRoute, choice]);
		const replies = repliesTo(request);
		return replies[choice % replies.length] ?? [500];
	};
}
const choices = fc.array(fc.array(fc.nat({ max: 1_000 }), { minLength: 1, maxLength: 3 }), {
	minLength: 4,
	maxLength: 4,
});

describe.each<[string, Provider]>([
	["Crisp", crisp],
	["Crisp, where creation comes first,", eagerCrisp],
	["HelpCrunch", helpcrunch],
	["Vibetrace", vibetrace],
])("whatever %s answers", (_, provider) => {
	test("an event is settled after at most sixteen requests, or waits", async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(stored, { minLength: 1, maxLength: 4 }), choices, async (lane, answers) => {
				const { ends, held } = await deliverLane(provider, lane, repeating(answers), { now, most: lane.length * 16 });
				if (held) expect(held.kind).toBe("retry");
				else expect(ends).toHaveLength(lane.length);
			}),
			{ numRuns: 500 },
		);
	});
});

/** Attributes of each person at a simulated provider, which accepts every request about a person it has. */
type Profiles = Record<string, Record<string, unknown>>;

function crispAt(profiles: Profiles) {
	return ({ method, path, body }: Sent): Reply => {
		const [, , , route, address] = path.split("/");
		const who = address ?? String(body.email);
		const { person, data } = body as { person?: object; data?: object };
		if (method === "POST" && route === "profile") {
			const { nickname: _, ...fields } = person as Record<string, unknown>;
			profiles[who] = fields;
		}
		if (!profiles[who] && who.includes("@")) return [404, { error: true, reason: "not_found" }];
		if (method === "PATCH") profiles[who] = { ...profiles[who], ...person, ...data };
		return [200, {}];
	};
}

function vibetraceAt(profiles: Profiles) {
	return ({ method, path, body }: Sent): Reply => {
		if (method === "PUT") {
			profiles[path.slice("user/".length)] = { ...body };
			return [200, {}];
		}
		const { user, event } = body as { user: { _id?: string; email?: string }; event: { update?: object } };
		const who = user._id ?? user.email ?? "";
		if (!profiles[who] && who.includes("@")) return [404];
		if (event.update) profiles[who] = { ...profiles[who], ...event.update };
		return [200, {}];
	};
}

function helpCrunchAt(profiles: Profiles) {
	const people: { id: number; userId?: string; email: string }[] = [];
	return ({ method, path, body }: Sent): Reply => {
		const {
			filter,
			customData = [],
			userId,
			email,
			phone,
		} = body as {
			filter: { field: string; value: string }[];
			customData?: { property: string; value: unknown }[];
			userId?: string;
			email: string;
			phone?: string;
		};
		if (path === "customers/search") {
			const key = filter[0]?.field === "customers.email" ? "email" : "userId";
			return [200, { data: people.filter((person) => person[key] === filter[0]?.value) }];
		}
		const fields = Object.fromEntries(customData.map(({ property, value }) => [property, value]));
		const fieldsOfPerson = { ...(phone !== undefined && { phone }), ...fields };
		if (path === "customers") {
			const created = { id: people.length + 1, email, ...(userId !== undefined && { userId }) };
			people.push(created);
			profiles[userId ?? email] = fieldsOfPerson;
			return [201, created];
		}
		if (method === "POST") return [200, {}];
		const person = people[Number(path.split("/")[1]) - 1];
		if (!person) return [404];
		const who = person.userId ?? person.email;
		profiles[who] = { ...profiles[who], ...fieldsOfPerson };
		return [200, {}];
	};
}

const attributes = fc.dictionary(fc.constantFrom("phone", "plan", "seats"), fc.constantFrom("a", "b", "c"));
const lane = fc.array(
	fc.record({ type: fc.constantFrom("track", "update", "update"), who: fc.constantFrom(1, 2), data: attributes }),
	{ minLength: 1, maxLength: 8 },
);

describe.each<[string, Provider, (profiles: Profiles) => (request: Sent) => Reply, Record<number, [Person, string]>]>([
	[
		"Crisp",
		crisp,
		crispAt,
		{
			1: [{ email: "ada@example.com" }, "ada@example.com"],
			2: [{ email: "ada@example.com", ids: { crisp: "p" } }, "p"],
		},
	],
	[
		"HelpCrunch",
		helpcrunch,
		helpCrunchAt,
		{
			1: [{ email: "ada@example.com", userId: "u-1" }, "u-1"],
			2: [{ email: "ada@example.com", userId: "u-2" }, "u-2"],
		},
	],
	[
		"Vibetrace",
		vibetrace,
		vibetraceAt,
		{
			1: [{ email: "ada@example.com" }, "ada@example.com"],
			2: [{ email: "ada@example.com", ids: { vibetrace: "v" } }, "v"],
		},
	],
])("two people of one e-mail at %s", (_, provider, at, people) => {
	test("each receive their own latest attributes, and none of the other's", async () => {
		await fc.assert(
			fc.asyncProperty(lane, async (drafts) => {
				const expected: Profiles = {};
				const events = drafts.map(({ type, who, data }): StoredEvent => {
					const [person = {}, address = ""] = people[who] ?? [];
					if (type === "update") expected[address] = { ...expected[address], ...data };
					const named = type === "track" && { name: "x" };
					const event = eventSchema.parse({ id: crypto.randomUUID(), at: now, type, ...named, person, data });
					return { event, trusted: false, receivedAt: now };
				});
				const received: Profiles = {};
				const { ends } = await deliverLane(provider, events, at(received), { now, most: events.length * 12 });
				expect(new Set(ends)).toEqual(new Set(["delivered"]));
				for (const [address, all] of Object.entries(expected)) expect(received[address] ?? {}).toEqual(all);
			}),
			{ numRuns: 500 },
		);
	});
});
