import { afterEach, expect, test } from "vitest";
import { event, type RunningProxy, runProxy } from "../support/proxy.ts";

const ada = { email: "ada@example.com" };
let running: RunningProxy;
afterEach(() => running.stop());

type CreatePeople = "always" | "verified" | "never" | string[];
const start = async (createPeople: CreatePeople = "always") => {
	running = await runProxy({
		site: ({ crisp }) => ({ crisp: { ...crisp, createPeople, createFirst: true } }),
	});
};
const track = (name: string) => event({ name, person: ada });
const login = (data: object) => event({ type: "login", name: undefined, person: ada, data });
const arrived = () => running.sandbox.people("crisp").flatMap(({ events }) => events.map(({ name }) => name));
const requests = () =>
	running.sandbox.requests("crisp").map(({ method, path, status }) => {
		const [, route] = path.split("/people/")[1]?.match(/^(\w+)/) ?? [];
		return [method, route, status].join(" ");
	});
/** Sends each batch once the one before is delivered; resolves to the destination's numbers after the last. */
async function deliver(...batches: unknown[][]) {
	let sent = 0;
	let stats: Awaited<ReturnType<RunningProxy["settled"]>> | undefined;
	for (const batch of batches) {
		await running.batch(...batch);
		sent += batch.length;
		stats = await running.settled(sent);
	}
	return stats?.destinations.crisp;
}

test("a new person costs a creation with all that is known of them, and no refused request", async () => {
	await start();
	const person = { name: "Ada", phone: "1", company: "AE" };
	expect(await deliver([login(person), track("a"), track("b")], [track("c")])).toMatchObject({ delivered: 4, dead: 0 });
	expect(requests()).toEqual(["POST profile 201", "POST events 200", "POST events 200", "POST events 200"]);
	expect(running.sandbox.people("crisp")).toMatchObject([
		{ ...ada, profile: { person: { nickname: "Ada", phone: "1" }, company: { name: "AE" } } },
	]);
	expect(arrived()).toEqual(["a", "b", "c"]);
});

test("the name that a later event sets goes into the creation", async () => {
	await start();
	await deliver([track("a"), login({ name: "Ada" })]);
	expect(requests()).toEqual(["POST profile 201", "POST events 200"]);
	expect(running.sandbox.people("crisp")).toMatchObject([{ profile: { person: { nickname: "Ada" } } }]);
});

test("a person who has a profile costs one request more, once, and is not changed by it", async () => {
	await start();
	running.sandbox.addPerson("crisp", ada);
	expect(await deliver([track("a"), track("b")], [track("c")])).toMatchObject({ delivered: 3, dead: 0, discarded: {} });
	expect(requests()).toEqual(["POST profile 409", "POST events 200", "POST events 200", "POST events 200"]);
	expect(running.sandbox.people("crisp")).toMatchObject([{ ...ada, profile: {} }]);
	expect(arrived()).toEqual(["a", "b", "c"]);
});

test("a person who is deleted at Crisp later is created again", async () => {
	await start();
	await deliver([track("a")]);
	running.sandbox.removePerson("crisp", ada.email);
	running.sandbox.clear();
	await running.batch(track("b"), track("c"));
	const { destinations } = await running.settled(3);
	expect(destinations.crisp).toMatchObject({ delivered: 3, dead: 0 });
	expect(requests()).toEqual(["POST events 404", "POST profile 201", "POST events 200", "POST events 200"]);
	expect(arrived()).toEqual(["b", "c"]);
});

test.each(["verified", "never"] as const)(
	"with createPeople %s a visitor's events create nobody",
	async (createPeople) => {
		await start(createPeople);
		const crisp = await deliver([track("a"), track("b")]);
		expect(crisp?.discarded).toEqual({ unknown_person: 2 });
		expect(requests()).toEqual(["POST events 404"]);
		expect(running.sandbox.people("crisp")).toEqual([]);
	},
);

test("with a list, only an event worth a contact creates before anything was refused", async () => {
	await start(["basket:*"]);
	await deliver([track("basket:added"), track("seen")]);
	expect(requests()).toEqual(["POST profile 201", "POST events 200", "POST events 200"]);
	const eve = { email: "eve@example.com" };
	await running.batch({ ...track("seen"), person: eve });
	await running.sandbox.until((all) => all.some(({ status }) => status === 404));
	expect(requests().at(-1)).toBe("POST events 404");
	await running.batch({ ...track("basket:added"), person: eve });
	await running.settled(4);
	expect(requests().slice(-3)).toEqual(["POST profile 201", "POST events 200", "POST events 200"]);
});

test.each([
	[400, "invalid_data"],
	[402, "people_limit_reached"],
	[403, "not_allowed"],
])("a creation refused with %d %s keeps nothing from a person who has a profile", async (status, reason) => {
	await start();
	running.sandbox.addPerson("crisp", ada);
	running.sandbox.fault("crisp", { status, body: { error: true, reason, data: {} }, path: /people\/profile$/ });
	expect(await deliver([track("a"), track("b")])).toMatchObject({ delivered: 2, dead: 0, state: "running" });
	expect(requests()).toEqual([`POST profile ${status}`, "POST events 200", "POST events 200"]);
});

test("a person without a profile is created after a refused creation and a refused event", async () => {
	await start();
	const body = { error: true, reason: "invalid_data", data: {} };
	running.sandbox.fault("crisp", { status: 400, body, path: /people\/profile$/, times: 1 });
	expect(await deliver([track("a")])).toMatchObject({ delivered: 1, dead: 0 });
	expect(requests()).toEqual(["POST profile 400", "POST events 404", "POST profile 201", "POST events 200"]);
});

test("an explanation shows the creation first", async () => {
	await start();
	const body = JSON.stringify({ name: "x", person: ada });
	const answer = await running.admin("/explain", {
		...{ method: "POST", headers: { "content-type": "application/json" }, body },
	});
	const { destinations } = (await answer.json()) as {
		destinations: { crisp: { cost: number; ends: string; requests: { request: string; answer: string }[] } };
	};
	expect(destinations.crisp).toMatchObject({ cost: 2, ends: "delivered" });
	expect(destinations.crisp.requests.map(({ request }) => request.replace(/^(\w+).*\/people/, "$1"))).toEqual([
		"POST/profile",
		"POST/events/ada%40example.com",
	]);
});
