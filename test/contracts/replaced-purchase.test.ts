import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { event, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

const ada = { email: "ada@example.com" };
let running: RunningProxy;
beforeEach(async () => {
	running = await runProxy({ site: ({ crisp, helpcrunch }) => ({ crisp, helpcrunch }) });
});
afterEach(() => running.stop());

const purchase = (total: number) => event({ type: "confirmation", person: ada, data: { orderId: "A-1", total } });
const fromBackend = (...events: unknown[]) =>
	running.post({ events }, { origin: undefined, authorization: `Bearer ${serverKey}` }, "/v1/events");
const pause = (name: string, action = "pause") => running.admin(`/destinations/${name}/${action}`, { method: "POST" });
const totals = (name: "crisp" | "helpcrunch") =>
	running.sandbox.people(name).flatMap(({ events }) => events.map(({ data }) => data?.total));
/** Resolves once this many events are sorted into lanes, and this many deliveries wait for Crisp. */
const sorted = (events: number, waiting: number) =>
	vi.waitFor(
		async () =>
			expect(await (await running.admin("/stats")).json()).toMatchObject({
				...{ journal: 0, events, destinations: { crisp: { waiting } } },
			}),
		{ timeout: 30_000, interval: 20 },
	);
async function journeys() {
	const body = JSON.stringify({ person: ada.email });
	const headers = { "content-type": "application/json" };
	const found = await running.admin("/search", { method: "POST", headers, body });
	const { journeys } = (await found.json()) as {
		journeys: {
			event: { data: { total: number } };
			deliveries: { destination: string; state: string; reason?: string }[];
		}[];
	};
	return Object.fromEntries(
		journeys.map(({ event, deliveries }) => [
			event.data.total,
			deliveries.map(({ destination, state, reason }) => [destination, state, reason].filter(Boolean).join(" ")),
		]),
	);
}

test("the backend's purchase takes the place of a page's that waits, at that destination alone", async () => {
	await pause("crisp");
	await running.batch(purchase(1));
	await running.sandbox.until((requests) =>
		requests.some(({ path, status }) => /events$/.test(path) && status === 200),
	);
	await sorted(1, 1);
	await fromBackend(purchase(99));
	await sorted(2, 1);
	expect(await journeys()).toEqual({
		1: ["crisp skipped duplicate_order", "helpcrunch delivered"],
		99: ["crisp waiting", "helpcrunch skipped duplicate_order"],
	});
	await pause("crisp", "resume");
	const { destinations, discarded } = await running.settled(2);
	expect([totals("crisp"), totals("helpcrunch")]).toEqual([[99], [1]]);
	expect(discarded).toEqual({});
	for (const name of ["crisp", "helpcrunch"])
		expect(destinations[name]).toMatchObject({ delivered: 1, discarded: { duplicate_order: 1 } });
});

test("the backend's purchase is delivered where a page's was discarded for an unknown person", async () => {
	await running.stop();
	running = await runProxy({
		site: ({ crisp, helpcrunch }) => ({ crisp: { ...crisp, createPeople: "verified" }, helpcrunch }),
	});
	await running.batch(purchase(1));
	const { destinations: before } = await running.settled(1);
	expect(before.crisp).toMatchObject({ delivered: 0, discarded: { unknown_person: 1 } });
	await fromBackend(purchase(99));
	await fromBackend(purchase(99));
	const { destinations, discarded } = await running.settled(3);
	expect([totals("crisp"), totals("helpcrunch")]).toEqual([[99], [1]]);
	expect(discarded).toEqual({ duplicate_order: 1 });
	expect(destinations.crisp).toMatchObject({ delivered: 1, discarded: { unknown_person: 1 } });
	expect(destinations.helpcrunch).toMatchObject({ delivered: 1, discarded: { duplicate_order: 1 } });
});

test("the backend's purchase is delivered to a destination for which a page's had no address", async () => {
	const crisp = running.sandbox.addPerson("crisp", ada);
	const order = { type: "confirmation", data: { orderId: "A-1", total: 1 } };
	await running.batch(event({ ...order, person: { userId: "u-1" } }));
	const { destinations: before } = await running.settled(1);
	expect(before.crisp).toMatchObject({ delivered: 0, discarded: { not_addressable: 1 } });
	await fromBackend(event({ ...order, person: { userId: "u-1", ids: { crisp } }, data: { ...order.data, total: 99 } }));
	const { destinations, discarded } = await running.settled(2);
	expect([totals("crisp"), totals("helpcrunch")]).toEqual([[99], [1]]);
	expect(discarded).toEqual({});
	expect(destinations.crisp).toMatchObject({ delivered: 1, discarded: { not_addressable: 1 } });
	expect(destinations.helpcrunch).toMatchObject({ delivered: 1, discarded: { duplicate_order: 1 } });
});

test("a page's purchase never takes the place of the backend's", async () => {
	await pause("crisp");
	await fromBackend(purchase(99));
	await sorted(1, 1);
	await running.batch(purchase(1));
	await sorted(2, 1);
	await pause("crisp", "resume");
	expect((await running.settled(2)).discarded).toEqual({ duplicate_order: 1 });
	expect([totals("crisp"), totals("helpcrunch")]).toEqual([[99], [99]]);
});
