import { expect, vi } from "vitest";
import { signIdentity } from "../../server/index.ts";
import type { SandboxRequest } from "../../server/sandbox/index.ts";
import { event, serverKey, writeKey } from "../support/proxy.ts";
import { type Built, threats } from "./built.ts";

const someone = (name: string) => ({ email: `${name}@example.com`, userId: `u-${name}` });
/** Sends events as a page, and waits until none of them is owed to a provider. */
async function sent({ batch, settled }: Built, ...events: unknown[]): Promise<void> {
	const before = (await settled(0)).events;
	expect(await batch(...events)).toEqual({ accepted: events.length, rejected: [] });
	await settled(before + events.length);
}
/** Sends events as the backend. */
const backend = ({ post }: Built, ...events: unknown[]) =>
	post({ events }, { origin: undefined, authorization: `Bearer ${serverKey}` }, "/v1/events");
/** Collects the names of all fields in a value, at any depth. */
const namesIn = (value: unknown): string[] =>
	typeof value === "object" && value !== null
		? Object.entries(value).flatMap(([name, inner]) => [name, ...namesIn(inner)])
		: [];
const bodiesOf = (requests: SandboxRequest[]) => requests.map(({ body }) => body as Record<string, unknown>);

/** Attributes with names that mean more than an attribute to a provider. */
const privileged = {
	...{ email: "mallory@example.com", _id: "someone", id: 7, people_id: "someone", userId: "u-someone" },
	...{ isSubscribed: true, unsubscribed: true, subscription: true, segments: "vip", tags: "vip", notepad: "x" },
	...{ active: 0, score: 9, blocked: true, assignee: 1, "person.nickname": "x", "data.plan": "x", "customData.x": 1 },
};

threats(
	"visitors",
	{},
	{
		"a visitor unsubscribes somebody or takes their place": async (built) => {
			const { sandbox } = built;
			const person = someone("vibes");
			const odd = [
				"Email",
				" email",
				"ISSUBSCRIBED",
				"isSubscribed\u00a0",
				"unsubscribed\u200b",
				"\uff3fid",
				"$set",
				"a.b",
				"a$b",
				"ema\u0131l",
				"_\u{1d6a4}d",
			];
			const all = { ...privileged, ...Object.fromEntries(odd.map((name) => [name, true])) };
			const types = ["login", "update", "track"].map((type) => event({ type, person, data: { ...all, seen: type } }));
			await sent(built, ...types, event({ type: "confirmation", person, data: { orderId: "V-1", ...all } }));
			for (const body of bodiesOf(sandbox.requests("vibetrace"))) {
				const { user, ...rest } = body;
				const names = namesIn(rest);
				for (const name of ["email", "_id", "isSubscribed", "unsubscribed", ...odd]) expect(names).not.toContain(name);
				expect(JSON.stringify(user ?? { email: person.email })).toBe(JSON.stringify({ email: person.email }));
			}
			expect(JSON.stringify(sandbox.requests("vibetrace"))).toContain("seen");
		},
		"a visitor writes a database's operators deep in an event's data": async (built) => {
			const { sandbox } = built;
			const person = someone("deep");
			const items = [{ id: 1, quantity: 2, "price.net": 1, more: { $gt: 0, eu: 42 } }];
			const data = { orderId: "V-2", items, list: [[{ "\uff04set": 1 }]] };
			await sent(built, event({ type: "confirmation", person, data }), event({ person, data: { a: { $where: "1" } } }));
			const theirs = bodiesOf(sandbox.requests("vibetrace")).filter((body) =>
				JSON.stringify(body).includes(person.email),
			);
			const names = theirs.flatMap(namesIn);
			expect(names).toEqual(expect.arrayContaining(["confirmation", "quantity", "eu", "a"]));
			for (const name of names) expect(name).not.toMatch(/[$.\uff04]/);
		},
		"a visitor sets fields of a profile that are not theirs": async (built) => {
			const { sandbox } = built;
			const person = someone("fields");
			await sent(built, event({ type: "login", person, data: { ...privileged, phone: "1", seen: true } }));
			const crisp = sandbox.requests("crisp").filter(({ path }) => decodeURIComponent(path).includes(person.email));
			expect(crisp.length).toBeGreaterThan(1);
			for (const { path } of crisp) expect(path).toMatch(/\/people\/(profile|data)\/[^/]+$/);
			const profiles = bodiesOf(crisp).filter((body) => !("data" in body));
			for (const body of profiles) expect(namesIn(body).every((name) => ["person", "phone"].includes(name))).toBe(true);
			const helpcrunch = sandbox.people("helpcrunch").find(({ userId }) => userId === person.userId);
			expect(helpcrunch?.profile).toMatchObject({ phone: "1" });
			expect(helpcrunch).toMatchObject({ email: person.email, userId: person.userId });
			const allowed = ["name", "email", "userId", "phone", "company", "locale", "customData", "property", "value"];
			const changes = sandbox.requests("helpcrunch").filter(({ path }) => /^\/customers(\/\d+)?$/.test(path));
			expect(changes.length).toBeGreaterThan(0);
			for (const body of bodiesOf(changes))
				for (const name of namesIn(body)) if (!/^\d+$/.test(name)) expect(allowed).toContain(name);
		},
		"a visitor gives themselves a label that starts an automation": async (built) => {
			const { sandbox } = built;
			const person = someone("labels");
			const labels = { segments: ["start-automation"], tags: ["start-automation"] };
			const types = ["login", "update", "login"];
			await sent(built, ...types.map((type) => event({ type, person, data: { ...labels, seen: type } })));
			const all = JSON.stringify([sandbox.requests(), sandbox.people("crisp"), sandbox.people("helpcrunch")]);
			expect(all).toContain("seen");
			expect(all).not.toContain("start-automation");
		},
		"a visitor gives a provider's own id of somebody else": async (built) => {
			const { sandbox } = built;
			const crisp = sandbox.addPerson("crisp", { email: "victim@example.com" });
			const helpcrunch = sandbox.addPerson("helpcrunch", { email: "victim@example.com" });
			const vibetrace = sandbox.addPerson("vibetrace", { email: "victim@example.com" });
			const ids = { crisp, helpcrunch, vibetrace };
			await sent(built, event({ name: "by id", person: { ...someone("thief"), ids } }));
			for (const destination of ["crisp", "helpcrunch", "vibetrace"] as const) {
				const people = sandbox.people(destination);
				expect(people.find(({ email }) => email === "victim@example.com")?.events).toEqual([]);
				expect(people.find(({ email }) => email === "thief@example.com")?.events).toHaveLength(1);
			}
		},
		"a visitor is sent what a backend said of somebody else's userId": async (built) => {
			const { post, settled, sandbox } = built;
			const before = (await settled(0)).events;
			const call = async (path: string, body: object, isBackend: boolean) => {
				const authorization = `Basic ${Buffer.from(`${isBackend ? serverKey : writeKey}:`).toString("base64")}`;
				const headers = isBackend ? { origin: undefined, authorization } : { authorization };
				expect((await post({ userId: "u-hidden", ...body }, headers, `/segment/v1/${path}`)).status).toBe(200);
			};
			await call("identify", { traits: { email: "hidden@example.com" } }, true);
			await call("identify", { traits: { email: "snoop@example.com" } }, false);
			await call("track", { event: "told by the backend" }, true);
			await call("track", { event: "told by the page" }, false);
			await settled(before + 4);
			const told = (email: string) => sandbox.people("crisp").find((person) => person.email === email)?.events ?? [];
			expect(told("hidden@example.com").map(({ name }) => name)).toEqual(["told by the backend"]);
			expect(told("snoop@example.com")).toEqual([]);
		},
		"a visitor says that an e-mail was opened": async ({ batch }) => {
			const { accepted, rejected } = await batch(event({ type: "email_open" }));
			expect([accepted, rejected.map(({ code }) => code)]).toEqual([0, ["invalid_event"]]);
		},
		"a visitor uses up the id of somebody else's event": async (built) => {
			const { sandbox } = built;
			const { id } = event();
			await sent(
				built,
				event({ id, name: "first", person: someone("early") }),
				event({ id, name: "second", person: someone("late") }),
			);
			const crisp = JSON.stringify(sandbox.requests("crisp"));
			expect(crisp).toContain("first");
			expect(crisp).toContain("second");
		},
		"a visitor claims somebody else's order": async (built) => {
			const { sandbox, settled } = built;
			const purchase = (name: string) =>
				event({ type: "confirmation", person: someone(name), data: { orderId: "A-1001" } });
			await sent(built, purchase("forger"), purchase("visitor"));
			const { events } = await settled(0);
			expect((await backend(built, purchase("buyer"))).status).toBe(202);
			await settled(events + 1);
			const buyers = sandbox
				.people("crisp")
				.filter((person) => person.events.length > 0)
				.map(({ email }) => email);
			for (const name of ["forger", "visitor", "buyer"]) expect(buyers).toContain(`${name}@example.com`);
		},
	},
);

threats(
	"visitors of a site that allows one attribute",
	{ site: { attributes: ["plan"] } },
	{
		"a visitor sets attributes that the site does not allow": async (built) => {
			const person = someone("narrow");
			await sent(
				built,
				event({ type: "login", person, data: { plan: "pro", role: "admin" } }),
				event({ type: "update", person, data: { role: "admin" } }),
			);
			const all = JSON.stringify(built.sandbox.requests());
			expect(all).toContain("plan");
			expect(all).not.toContain("role");
		},
	},
);

interface Spent {
	destinations: { crisp: { budget: [{ used: number }] } };
}
/** Waits until events other than the backend's get no more of 100 requests a day. */
async function allSpent({ admin }: Built): Promise<void> {
	let before = -1;
	await vi.waitFor(
		async () => {
			const { destinations } = (await (await admin("/stats")).json()) as Spent;
			const { used } = destinations.crisp.budget[0];
			const isOver = used === before && used >= 80;
			before = used;
			expect(isOver).toBe(true);
		},
		{ interval: 300, timeout: 60_000 },
	);
}
const isAbout =
	(text: string) =>
	({ body, path }: SandboxRequest): boolean =>
		JSON.stringify([decodeURIComponent(path), body]).includes(text);

/** Returns the number of deliveries that wait for Crisp, and the discarded ones by reason. */
async function waitingIn({ admin }: Built): Promise<{ waiting: number; discarded: Record<string, number> }> {
	const { destinations } = (await (await admin("/stats")).json()) as {
		destinations: { crisp: { waiting: number; discarded: Record<string, number> } };
	};
	return destinations.crisp;
}

const crispAlone = { helpcrunch: undefined, vibetrace: undefined };

threats(
	"a daily budget with a reserve",
	{ site: ({ crisp }) => ({ ...crispAlone, crisp: { ...crisp, budget: 100 } }) },
	{
		"a flood of invented people uses up the day's requests": async (built) => {
			const { batch, sandbox } = built;
			await batch(...Array.from({ length: 100 }, () => event({ name: "flood" })));
			await allSpent(built);
			expect(
				(await backend(built, event({ name: "from the backend", person: { email: "ada@example.com" } }))).status,
			).toBe(202);
			await sandbox.until((requests) =>
				requests.some(({ body, status }) => JSON.stringify(body).includes("from the backend") && status === 200),
			);
			const spent = sandbox
				.requests()
				.filter(({ path, body }) => !JSON.stringify([path, body]).match(/ada(@|%40)example|from the backend/));
			expect(spent.length).toBeLessThanOrEqual(80);
		},
	},
);

threats(
	"a person to whom forged events are added",
	{ site: ({ crisp }) => ({ ...crispAlone, crisp: { ...crisp, budget: 100 } }) },
	{
		"forged events keep a person's purchase from the reserve": async (built) => {
			const { batch, sandbox } = built;
			const person = someone("spent");
			await batch(...Array.from({ length: 100 }, () => event({ name: "forged", person })));
			await allSpent(built);
			await backend(built, event({ name: "purchase", person }));
			await sandbox.until((requests) => requests.some((each) => isAbout("purchase")(each) && each.status === 200));
			expect(sandbox.requests().filter((each) => !isAbout("purchase")(each)).length).toBeLessThanOrEqual(80);
		},
	},
);

threats(
	"a purchase that waits",
	{ site: ({ crisp }) => ({ ...crispAlone, crisp }) },
	{
		"a visitor tells of a purchase before the backend does": async (built) => {
			const { admin, batch, sandbox, settled } = built;
			const person = someone("buyer");
			const purchase = (total: number) => event({ type: "confirmation", person, data: { orderId: "A-1001", total } });
			await admin("/destinations/crisp/pause", { method: "POST" });
			await batch(purchase(1));
			await vi.waitFor(async () => expect((await waitingIn(built)).waiting).toBe(1));
			await backend(built, purchase(99));
			await vi.waitFor(async () =>
				expect(await (await admin("/stats")).json()).toMatchObject({ journal: 0, events: 2 }),
			);
			await admin("/destinations/crisp/resume", { method: "POST" });
			await settled(2);
			const buyer = sandbox.people("crisp").find(({ email }) => email === person.email);
			expect(buyer?.events.map(({ data }) => data?.total)).toEqual([99]);
		},
	},
);

threats(
	"a person's queue",
	{ site: ({ crisp }) => ({ ...crispAlone, crisp }) },
	{
		"forged events hold up a person's purchase": async (built) => {
			const { batch, sandbox } = built;
			const person = someone("held");
			sandbox.fault("crisp", { status: 500 });
			await batch(...Array.from({ length: 100 }, () => event({ name: "forged", person })));
			await batch(...Array.from({ length: 20 }, () => event({ name: "forged", person })));
			await sandbox.until((requests) => requests.some((each) => isAbout("forged")(each) && each.status === 500));
			const { length: before } = sandbox.requests();
			expect((await backend(built, event({ name: "purchase", person }))).status).toBe(202);
			await sandbox.until((requests) => requests.some(isAbout("purchase")));
			const requests = sandbox.requests().slice(before);
			expect(requests.findIndex(isAbout("purchase"))).toBeLessThanOrEqual(1);
		},
		"forged events of one person wait without end": async (built) => {
			const { batch, sandbox, admin } = built;
			const person = someone("filled");
			sandbox.fault("crisp", { status: 500 });
			const before = (await waitingIn(built)).waiting;
			for (let n = 0; n < 7; n += 1) {
				await batch(...Array.from({ length: 100 }, () => event({ name: "forged", person })));
			}
			await vi.waitFor(async () => {
				expect(((await (await admin("/stats")).json()) as { journal: number }).journal).toBe(0);
			});
			const { waiting, discarded } = await waitingIn(built);
			expect([waiting - before, discarded]).toEqual([500, { too_many_waiting: 200 }]);
		},
	},
);

const secret = "an-identity-secret-of-the-shop-0123456789";
threats(
	"a daily budget, and visitors whose identity is verified",
	{
		site: ({ crisp }) => ({
			...crispAlone,
			...{ identity: "verified" as const, identitySecrets: [secret] },
			crisp: { ...crisp, budget: 100 },
		}),
	},
	{
		"a verified visitor spends the reserve, or keeps their purchase from it": async (built) => {
			const { batch, sandbox } = built;
			const token = await signIdentity(someone("eager"), { secret, expiresIn: "1h" });
			await batch(...Array.from({ length: 100 }, () => event({ name: "eager", person: { token } })));
			await allSpent(built);
			await backend(built, event({ name: "purchase", person: someone("eager") }));
			await sandbox.until((requests) => requests.some((each) => isAbout("purchase")(each) && each.status === 200));
			expect(sandbox.requests().filter((each) => !isAbout("purchase")(each)).length).toBeLessThanOrEqual(80);
		},
	},
);

threats(
	"a site where only trusted events create people",
	{ site: ({ crisp }) => ({ ...crispAlone, crisp: { ...crisp, createPeople: "verified" as const } }) },
	{
		"a flood of invented people becomes profiles": async (built) => {
			await sent(built, ...Array.from({ length: 50 }, () => event({ name: "flood" })));
			expect(built.sandbox.people("crisp")).toEqual([]);
			const { events } = await built.settled(0);
			await backend(built, event({ person: { email: "ada@example.com" } }));
			await built.settled(events + 1);
			expect(built.sandbox.people("crisp").map(({ email }) => email)).toEqual(["ada@example.com"]);
		},
	},
);
