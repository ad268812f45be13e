import { afterEach, describe, expect, test, vi } from "vitest";
import type { SandboxDestinations } from "../../server/sandbox/index.ts";
import { event, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

const ada = { email: "ada@example.com" };
let running: RunningProxy;
afterEach(() => running.stop());

type Provider = "crisp" | "helpcrunch" | "vibetrace";
const start = async (createPeople: "always" | "verified" | "never" | string[], name: Provider = "crisp") => {
	running = await runProxy({
		site: (destinations: SandboxDestinations) => ({
			crisp: undefined,
			[name]: { ...destinations[name], createPeople },
		}),
	});
};
const track = (name: string) => event({ name, person: ada });
const purchase = (orderId: string) => event({ type: "confirmation", person: ada, data: { orderId } });
const fromBackend = (...events: unknown[]) =>
	running.post({ events }, { origin: undefined, authorization: `Bearer ${serverKey}` }, "/v1/events");
const arrived = (name: Provider = "crisp") =>
	running.sandbox.people(name).flatMap(({ events }) => events.map((each) => each.name));

interface Stats {
	destinations: Record<string, { waiting: number; delivered: number; dead: number; discarded: object }>;
	journal: number;
	events: number;
}
/** Resolves once this many events are fanned out, and this many of them owed. */
const owed = (events: number, waiting: number) =>
	vi.waitFor(
		async () => {
			const stats = (await (await running.admin("/stats")).json()) as Stats;
			const [destination] = Object.values(stats.destinations);
			expect({ journal: stats.journal, events: stats.events, waiting: destination?.waiting }).toEqual({
				...{ journal: 0, events, waiting },
			});
			return destination;
		},
		{ timeout: 30_000, interval: 20 },
	);

describe.each<[Provider, number]>([
	["crisp", 1],
	["helpcrunch", 1],
	["vibetrace", 1],
])("with a list of events worth a contact, at %s", (name, lookups) => {
	test("a person's events wait for one of them, and one request finds that the person is unknown", async () => {
		await start(["confirmation"], name);
		await running.batch(track("first"), event({ type: "login", person: ada, data: { plan: "pro" } }));
		await running.sandbox.until((requests) => requests.length >= lookups);
		await running.batch(track("second"), track("third"));
		// Another person's purchase shows that these were looked at.
		await running.batch({ ...purchase("B-1"), person: { email: "bob@example.com" } });
		await owed(5, 4);
		const about = (email: string) =>
			running.sandbox
				.requests(name)
				.filter(
					({ path, body }) => decodeURIComponent(path).includes(email) || JSON.stringify(body ?? {}).includes(email),
				);
		expect(about(ada.email)).toHaveLength(lookups);
		expect(running.sandbox.people(name).map(({ email }) => email)).toEqual(["bob@example.com"]);
		await running.batch(track("fourth"), purchase("A-1"));
		await running.settled(7);
		const person = running.sandbox.people(name).find(({ email }) => email === ada.email);
		expect(person?.events.map((each) => each.name)).toEqual(["first", "second", "third", "fourth", "confirmation"]);
		expect(person?.attributes).toEqual({ plan: "pro" });
	});
});

test("an explanation tells that an event waits, or is worth a contact", async () => {
	await start(["confirmation"]);
	const explained = async (each: object) => {
		const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(each) };
		const { destinations } = (await (await running.admin("/explain", request)).json()) as {
			destinations: { crisp: { ends: string; requests: { request: string }[] } };
		};
		return [destinations.crisp.ends, destinations.crisp.requests.length];
	};
	expect(await explained({ name: "x" })).toEqual(["waits", 1]);
	expect(await explained({ type: "confirmation", data: { orderId: "A-1" } })).toEqual(["delivered", 3]);
});

test("a person whom the provider has gets everything, whatever the list says", async () => {
	await start(["confirmation"]);
	running.sandbox.addPerson("crisp", ada);
	await running.batch(track("first"), track("second"));
	await running.settled(2);
	expect(arrived()).toEqual(["first", "second"]);
	expect(running.sandbox.requests("crisp")).toHaveLength(2);
});

test("a list has names with * too", async () => {
	await start(["basket:*"]);
	await running.batch(track("product:viewed"));
	await owed(1, 1);
	await running.batch(track("basket:added"));
	await running.settled(2);
	expect(arrived()).toEqual(["product:viewed", "basket:added"]);
});

test("an event of a page makes the backend's waiting events go, and the other way round", async () => {
	await start(["confirmation"]);
	await fromBackend(track("backend"));
	await owed(1, 1);
	await running.batch(purchase("A-1"));
	await running.settled(2);
	expect(arrived()).toEqual(["backend", "confirmation"]);
	running.sandbox.clear();
	const eve = { email: "eve@example.com" };
	await running.batch({ ...track("page"), person: eve });
	await owed(3, 1);
	await fromBackend({ ...purchase("A-2"), person: eve });
	await running.settled(4);
	expect(arrived()).toEqual(["confirmation", "page"]);
});

test("a purchase counts even if 500 events wait for it", async () => {
	await start(["confirmation"]);
	await running.batch(track("first"));
	await running.sandbox.until((requests) => requests.length > 0);
	for (let batch = 0; batch < 6; batch += 1) await running.batch(...Array.from({ length: 90 }, () => track("seen")));
	const { discarded } = (await owed(541, 500)) ?? {};
	expect(discarded).toEqual({ too_many_waiting: 41 });
	await running.batch(purchase("A-1"));
	await running.settled(542);
	expect(arrived()).toHaveLength(501);
	expect(arrived().at(-1)).toBe("confirmation");
}, 60_000);

test.each(["verified", "never"] as const)("with %s a visitor's events are discarded", async (createPeople) => {
	await start(createPeople);
	await running.batch(track("first"), purchase("A-1"));
	const { destinations } = await running.settled(2);
	expect(destinations.crisp?.discarded).toEqual({ unknown_person: 2 });
	expect(running.sandbox.people("crisp")).toEqual([]);
});
