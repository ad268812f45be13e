import { afterEach, describe, expect, test, vi } from "vitest";
import { signIdentity } from "../../server/index.ts";
import type { ProviderName, SandboxPerson } from "../../server/sandbox/index.ts";
import { event, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

const ada = { email: "ada@example.com" };
const secret = "identity-secret-4d1c9a70e8b25f63-2b8e";
const labels = { segments: ["vip"], tags: ["gold"] };

let running: RunningProxy;
afterEach(() => running.stop());

type Options = Parameters<typeof runProxy>[0];
/** Runs a proxy with all three providers, which all have Ada. */
async function start({ site = {}, ...options }: Omit<NonNullable<Options>, "site"> & { site?: object } = {}) {
	running = await runProxy({ ...options, site: (destinations) => ({ ...destinations, ...site }) });
	for (const destination of ["crisp", "helpcrunch", "vibetrace"] as const) running.sandbox.addPerson(destination, ada);
}
const at = (destination: ProviderName): SandboxPerson | undefined =>
	running.sandbox.people(destination).find(({ email }) => email === ada.email);
const login = (data: Record<string, unknown>, type = "login", person: object = ada) => event({ type, person, data });
const fromBackend = (...events: unknown[]) =>
	running.post({ events }, { origin: undefined, authorization: `Bearer ${serverKey}` }, "/v1/events");
const held = () => ({ segments: at("crisp")?.profile.segments, tags: at("helpcrunch")?.profile.tags });
const none = { segments: undefined, tags: undefined };
const vip = { segments: ["vip"], tags: [{ name: "gold" }] };

async function destinationStats(destination: ProviderName) {
	const { destinations } = (await (await running.admin("/stats")).json()) as {
		destinations: Record<string, { leftOut: number; dead: number; delivered: number; refusedNames: string[] }>;
	};
	const { leftOut, dead, delivered, refusedNames } = destinations[destination] ?? {};
	return { leftOut, dead, delivered, refusedNames };
}

describe("labels", () => {
	test.each(["login", "update"])("of the backend's %s are segments in Crisp and tags in HelpCrunch", async (type) => {
		await start();
		expect((await fromBackend(login({ ...labels, plan: "pro" }, type))).status).toBe(202);
		await running.settled(1);
		expect(held()).toEqual(vip);
		for (const destination of ["crisp", "helpcrunch", "vibetrace"] as const)
			expect(at(destination)?.attributes).toEqual({ plan: "pro" });
		expect(await destinationStats("vibetrace")).toMatchObject({ leftOut: 2, dead: 0, delivered: 1 });
	});

	test("of a page are dropped, and its other attributes set", async () => {
		await start();
		await running.batch(login({ ...labels, plan: "pro" }), login(labels, "update"));
		await running.settled(2);
		expect(held()).toEqual(none);
		expect(at("crisp")?.attributes).toEqual({ plan: "pro" });
	});

	test("of a page are set where the site's `attributes` names them, each by itself", async () => {
		await start({ site: { attributes: ["segments"] } });
		await running.batch(login({ ...labels, plan: "pro" }));
		await running.settled(1);
		expect(held()).toEqual({ ...vip, tags: undefined });
	});

	test("of a token are set, and those of its page are not", async () => {
		await start({ site: { identity: "verified", identitySecrets: [secret] } });
		const token = await signIdentity({ ...ada, attributes: labels }, { secret, expiresIn: "1h" });
		const person = { ...ada, token };
		await running.batch(login({ segments: ["forged"], plan: "pro" }, "login", person));
		await running.batch(login({ segments: ["forged"] }, "update", person));
		await running.settled(2);
		expect(held()).toEqual(vip);
	});

	test("are added to those that a person has, and only once", async () => {
		await start();
		await fromBackend(login({ segments: ["a"], tags: ["a"] }));
		await running.settled(1);
		await fromBackend(login({ segments: ["b", "a"], tags: ["b", "a"] }));
		await running.settled(2);
		expect(held()).toEqual({ segments: ["a", "b"], tags: [{ name: "a" }, { name: "b" }] });
		const before = running.sandbox.requests().length;
		await fromBackend(login({ segments: ["b", "a"], tags: ["b"] }));
		await running.settled(3);
		expect(running.sandbox.requests()).toHaveLength(before);
	});

	test.each<[string, unknown]>([
		["a text", "vip"],
		["null", null],
		["an object", { vip: true }],
		["numbers", [7, null, {}]],
		["too long", ["x".repeat(121)]],
	])("that are %s cost neither the login nor other attributes", async (_, value) => {
		await start();
		await fromBackend(login({ segments: value, tags: value, plan: "pro" }));
		const stats = await running.settled(1);
		expect(Object.values(stats.destinations).map(({ delivered, dead }) => [delivered, dead])).toEqual([
			[1, 0],
			[1, 0],
			[1, 0],
		]);
		expect(held()).toEqual(none);
		expect(at("crisp")?.attributes).toEqual({ plan: "pro" });
	});

	test("of a person who does not exist yet come with their creation", async () => {
		await start();
		const person = { email: "eve@example.com" };
		await fromBackend(login(labels, "login", person));
		await running.settled(1);
		const eve = (destination: ProviderName) =>
			running.sandbox.people(destination).find(({ email }) => email === person.email)?.profile;
		expect(eve("crisp")).toMatchObject({ segments: ["vip"] });
		expect(eve("helpcrunch")).toMatchObject({ tags: [{ name: "gold" }] });
	});
});

describe("null", () => {
	test("unsets an attribute where the provider documents how, and is counted elsewhere", async () => {
		await start();
		await running.batch(login({ plan: "pro", seats: 3, phone: "1" }));
		await running.settled(1);
		await running.batch(login({ plan: null, phone: null }, "update"));
		await running.settled(2);
		expect(at("crisp")).toMatchObject({ attributes: { seats: 3 }, profile: { person: { phone: "1" } } });
		expect(at("helpcrunch")).toMatchObject({ attributes: { seats: 3 }, profile: { phone: null } });
		expect(at("vibetrace")?.attributes).toEqual({ plan: "pro", seats: 3, phone: "1" });
		expect(at("crisp")?.attributes).not.toHaveProperty("plan");
		expect(await destinationStats("crisp")).toMatchObject({ leftOut: 1 });
		expect(await destinationStats("helpcrunch")).toMatchObject({ leftOut: 0 });
		expect(await destinationStats("vibetrace")).toMatchObject({ leftOut: 2 });
	});

	test("and a value in one batch leave the later of the two", async () => {
		await start();
		const update = (data: Record<string, unknown>) => login(data, "update");
		await running.batch(update({ a: "1", b: null }), update({ a: null, b: "2" }));
		await running.settled(2);
		for (const destination of ["crisp", "helpcrunch"] as const) expect(at(destination)?.attributes).toEqual({ b: "2" });
	});
});

describe("names that a provider refuses", () => {
	const names = /^[a-z0-9_-]+$/;

	test.each<ProviderName>(["crisp", "helpcrunch", "vibetrace"])(
		"cost no other attribute at %s, are counted and shown",
		async (destination) => {
			await start({ simulated: { attributeNames: { [destination]: names } } });
			await running.batch(login({ plan: "pro", signupDate: "2026", "Last Order": 1 }), event({ person: ada }));
			await running.settled(2);
			expect(at(destination)).toMatchObject({ attributes: { plan: "pro" }, events: [{ name: "basket:item:added" }] });
			expect(at(destination)?.attributes).not.toHaveProperty("signupDate");
			const stats = await destinationStats(destination);
			expect(stats).toMatchObject({ leftOut: 2, dead: 0, delivered: 2 });
			expect(stats.refusedNames?.toSorted()).toEqual(["Last Order", "signupDate"]);
			const metrics = await (await fetch(`${running.url}/metrics`)).text();
			expect(metrics).toMatch(new RegExp(`attributes_left_out_total\\{.*"${destination}"\\} 2`));
		},
	);

	test("are sent where the provider takes them", async () => {
		await start();
		await running.batch(login({ signupDate: "2026" }));
		await running.settled(1);
		for (const destination of ["crisp", "helpcrunch", "vibetrace"] as const) {
			expect(at(destination)?.attributes).toEqual({ signupDate: "2026" });
			expect(await destinationStats(destination)).toMatchObject({ leftOut: 0, refusedNames: [] });
		}
	});

	test("of a person who does not exist yet cost nothing else either", async () => {
		await start({ simulated: { attributeNames: { crisp: names, helpcrunch: names, vibetrace: names } } });
		const person = { email: "eve@example.com" };
		await running.batch(login({ plan: "pro", signupDate: "2026" }, "login", person));
		await running.settled(1);
		for (const destination of ["crisp", "helpcrunch", "vibetrace"] as const) {
			const eve = running.sandbox.people(destination).find(({ email }) => email === person.email);
			expect(eve?.attributes).toEqual({ plan: "pro" });
		}
	});
});

test("a full plan of Crisp's holds creations, and events of known people go on", async () => {
	await start({ simulated: { limits: { crispContacts: 1 } } });
	await running.batch(event({ person: { email: "eve@example.com" } }), event({ person: ada }));
	await vi.waitFor(async () => expect(at("crisp")?.events).toHaveLength(1), { timeout: 30_000 });
	const ready = async () => (await fetch(`${running.url}/readyz`)).json() as Promise<{ warnings: { code: string }[] }>;
	await vi.waitFor(async () => expect((await ready()).warnings.map(({ code }) => code)).toContain("creation_refused"), {
		timeout: 30_000,
	});
	expect(running.sandbox.people("crisp")).toHaveLength(1);
});
