import { afterEach, describe, expect, test } from "vitest";
import type { Event } from "../../shared/event.ts";
import { event, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

const ada = { email: "ada@example.com" };
const browsing = [
	{ event: "product:*", digest: true as const },
	{ event: "search", digest: true as const },
];

/** Makes events of one person, a second after one another; names, or types with their data. */
const history = (...kinds: (string | Record<string, unknown>)[]) =>
	kinds.map((kind, index) =>
		event({
			person: ada,
			at: Date.now() - 30_000 + index * 1_000,
			...(typeof kind === "string" ? { name: kind } : { name: undefined, ...kind }),
		}),
	);
const login = (data: Record<string, unknown>) => ({ type: "login", data });

let running: RunningProxy;
afterEach(() => running.stop());

async function start(rules: unknown[] = browsing): Promise<void> {
	running = await runProxy({ site: (destinations) => ({ ...destinations, rules: rules as never }) });
	for (const name of ["crisp", "helpcrunch", "vibetrace"] as const) running.sandbox.addPerson(name, ada);
}
const arrived = (name: "crisp" | "helpcrunch" | "vibetrace" = "crisp") =>
	running.sandbox.people(name)[0]?.events.map((each) => each.name);
const requests = () => running.sandbox.requests("crisp").filter(({ path }) => path.includes("/people/"));

describe("digests", () => {
	test("adjacent events that a rule marks are one event at each provider, and each of them is delivered", async () => {
		await start();
		const { accepted } = await running.batch(...history(...Array.from({ length: 7 }, () => "product:viewed")));
		const { destinations } = await running.settled(accepted);
		for (const name of ["crisp", "helpcrunch", "vibetrace"] as const) {
			expect(arrived(name)).toEqual(["product:viewed ×7"]);
			expect(destinations[name]).toMatchObject({ delivered: 7, dead: 0 });
		}
		const [digest] = running.sandbox.people("crisp")[0]?.events ?? [];
		expect(digest?.data).toMatchObject({ count: 7 });
	});

	test("purchases, and names that no rule marks, go alone and in order", async () => {
		await start();
		const kinds = ["product:viewed", "search", "product:viewed", "basket:item:added", "product:viewed", "search"];
		const purchase = { type: "confirmation", data: { orderId: "A-1" } };
		const { accepted } = await running.batch(...history(...kinds, purchase, "search", "search"));
		await running.settled(accepted);
		expect(arrived()).toEqual(["3 actions", "basket:item:added", "2 actions", "confirmation", "search ×2"]);
	});

	test("a rule that marks every event marks no purchase, login or update", async () => {
		await start([{ event: "*", digest: true }]);
		const [first, second] = ["A-1", "A-2"].map((orderId) => ({ type: "confirmation", data: { orderId } }));
		const kinds = [login({ plan: "a" }), first ?? "", second ?? "", { type: "update", data: { plan: "b" } }, "x", "y"];
		const { accepted } = await running.batch(...history(...kinds));
		await running.settled(accepted);
		expect(arrived()).toEqual(["confirmation", "confirmation", "2 actions"]);
		expect(running.sandbox.people("crisp")[0]?.attributes).toMatchObject({ plan: "b" });
	});

	test("a backlog of 100 browsing events costs at most a twentieth of a request each, logins between them included", async () => {
		await start();
		const kinds = Array.from({ length: 100 }, (_, index) =>
			index % 10 === 0 ? login({ visits: Math.floor(index / 50) }) : index % 3 === 0 ? "search" : "product:viewed",
		);
		const { accepted } = await running.batch(...history(...kinds));
		const { destinations } = await running.settled(accepted);
		expect(destinations.crisp).toMatchObject({ delivered: 100, dead: 0 });
		expect(requests().length).toBeLessThanOrEqual(5);
		expect(running.sandbox.people("crisp")[0]?.attributes).toMatchObject({ visits: 1 });
	});

	test("a digest of somebody whom the provider does not know costs two requests more", async () => {
		await start();
		const bob = { email: "bob@example.com" };
		const events = Array.from({ length: 40 }, () => event({ name: "product:viewed", person: bob }));
		await running.batch(...events);
		await running.settled(40);
		expect(requests()).toHaveLength(3);
		const [profile] = running.sandbox.people("crisp").filter(({ email }) => email === bob.email);
		expect(profile?.events.map(({ name }) => name)).toEqual(["product:viewed ×40"]);
	});

	test("a refused digest is split, until only the event at fault is a dead letter", async () => {
		await start();
		// Crisp refuses the first digests whole: as the fault cannot tell their parts, it counts them.
		running.sandbox.fault("crisp", { status: 400, body: { error: true, reason: "invalid_data" }, times: 4 });
		const events = history(...Array.from({ length: 8 }, () => "product:viewed"));
		await running.batch(...events);
		const { destinations } = await running.settled(8);
		// Refused with 8, 4 and 2 events, and alone; the rest is one digest.
		expect(destinations.crisp).toMatchObject({ delivered: 7, dead: 1 });
		expect(arrived()).toEqual(["product:viewed ×7"]);
		const dead = (await (await running.admin("/deadletters")).json()) as { items: { event: { id: string } }[] };
		expect(dead.items.map((item) => item.event.id)).toEqual([events[0]?.id]);
	});

	test("a digest whose answers cannot be read is repeated as often as one event, not once more for each of it", async () => {
		await start();
		running.sandbox.fault("crisp", { status: 200, body: "<html>", path: /events/ });
		const { accepted } = await running.batch(...history("search", "search", "product:viewed", "search"));
		const { destinations } = await running.settled(accepted);
		expect(destinations.crisp).toMatchObject({ delivered: 0, dead: 4 });
		expect(requests()).toHaveLength(3);
	});

	test("each event of a digest keeps its own once and its own journey", async () => {
		await start();
		const events = history("product:viewed", "product:viewed", "search");
		await running.batch(...events);
		await running.settled(3);
		await running.batch(...events);
		const { discarded } = await running.settled(3);
		expect(discarded).toEqual({ duplicate: 3 });
		expect(arrived()).toEqual(["3 actions"]);
		const answer = await running.admin("/search", {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ person: ada.email }),
		});
		const { journeys } = (await answer.json()) as {
			journeys: { event: { id: string }; deliveries: { destination: string; state: string }[] }[];
		};
		expect(journeys.map(({ event: { id } }) => id).sort()).toEqual(events.map(({ id }) => id).sort());
		for (const { deliveries } of journeys)
			expect(deliveries.find(({ destination }) => destination === "crisp")).toMatchObject({ state: "delivered" });
	});

	test("events of the backend and of visitors are not merged with each other", async () => {
		await start();
		const [first, second, third, fourth] = history("search", "search", "search", "search");
		const backend = { authorization: `Bearer ${serverKey}`, origin: undefined };
		await running.post({ events: [first, second] }, backend, "/v1/events");
		await running.batch(third, fourth);
		await running.settled(4);
		expect(arrived()).toEqual(["search ×2", "search ×2"]);
	});

	test("Vibetrace's standard events stay as they are there", async () => {
		await start([{ event: "viewitem", digest: true }]);
		const view = { type: "track", name: "viewitem", data: { itemId: "sku-1" } };
		await running.batch(...history(view, view));
		await running.settled(2);
		expect(arrived("vibetrace")).toEqual(["viewitem", "viewitem"]);
		expect(arrived("crisp")).toEqual(["viewitem ×2"]);
	});

	test("no update between its events is lost, if one request cannot have the labels of all", async () => {
		await start();
		const labels = (from: number) => Array.from({ length: 15 }, (_, index) => `label ${from + index}`);
		const update = (from: number, data: object) => ({
			...{ type: "update", data: { segments: labels(from), tags: labels(from), ...data } },
		});
		const events = history("search", update(0, { a: 1 }), update(15, { b: 2 }), "search", "search");
		await running.post({ events }, { authorization: `Bearer ${serverKey}`, origin: undefined }, "/v1/events");
		await running.settled(5);
		const [[atCrisp], [atHelpCrunch]] = [running.sandbox.people("crisp"), running.sandbox.people("helpcrunch")];
		expect(atCrisp?.attributes).toEqual({ a: 1, b: 2 });
		expect(atHelpCrunch?.attributes).toEqual({ a: 1, b: 2 });
		expect(atCrisp?.profile.segments).toHaveLength(30);
		expect(atHelpCrunch?.profile.tags).toHaveLength(30);
	});

	test("more attributes than are remembered cost one request each time", async () => {
		await start();
		const update = { type: "update", data: Object.fromEntries(Array.from({ length: 250 }, (_, at) => [`a${at}`, at])) };
		const { accepted } = await running.batch(...history("search", "search", update, "search", update, "search"));
		await running.settled(accepted);
		expect(arrived()).toEqual(["search ×2", "search", "search"]);
		expect(requests()).toHaveLength(5);
	});
});

describe("digests at a destination of your own", () => {
	async function own(options: object): Promise<(string | undefined)[][]> {
		const calls: (string | undefined)[][] = [];
		const send = (given: Event | Event[]) => {
			calls.push([given].flat().map((each) => ("name" in each ? each.name : each.type)));
			return { kind: "delivered" as const };
		};
		const rules = [{ event: "search", digest: true as const }];
		running = await runProxy({
			site: { crisp: undefined, rules, destinations: { own: { ...options, send } as never } },
		});
		const purchase = { type: "confirmation", data: { orderId: "A-1" } };
		const kinds = ["search", "search", { type: "update", data: { a: 1 } }, "search", "search", "other", purchase];
		const { accepted } = await running.batch(...history(...kinds));
		await running.settled(accepted);
		return calls;
	}

	test("end at an update, which is sent once and in its place", async () => {
		expect(await own({})).toEqual([["search ×2"], ["update"], ["search ×2"], ["other"], ["confirmation"]]);
	});

	test("are sent once, with the events behind them that one call takes", async () => {
		expect(await own({ batch: 10 })).toEqual([["search ×2", "update", "search", "search", "other", "confirmation"]]);
	});
});
