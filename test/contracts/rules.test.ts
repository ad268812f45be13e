import { afterEach, describe, expect, test, vi } from "vitest";
import { checkConfig, loadConfig, warningsOf } from "../../server/config/config.ts";
import type { Config } from "../../server/index.ts";
import type { ProviderName, SandboxDestinations } from "../../server/sandbox/index.ts";
import { commandLine } from "../support/command.ts";
import { event, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

type Rules = NonNullable<Config["sites"][number]["rules"]>;
type Account = Partial<NonNullable<Config["sites"][number]["crisp"]>>;

const ada = { email: "ada@example.com" };
let running: RunningProxy | undefined;
afterEach(async () => {
	await running?.stop();
	running = undefined;
});

/** Runs a proxy with an account at each provider, where Ada exists. */
async function withRules(rules: Rules, crisp: Account = {}): Promise<RunningProxy> {
	running = await runProxy({
		site: (all: SandboxDestinations) => ({ ...all, crisp: { ...all.crisp, ...crisp }, rules }),
	});
	for (const name of ["crisp", "helpcrunch", "vibetrace"] as const) running.sandbox.addPerson(name, ada);
	return running;
}
const eventsAt = (name: ProviderName) => running?.sandbox.people(name).flatMap(({ events }) => events) ?? [];
const namesAt = (name: ProviderName) => eventsAt(name).map((each) => each.name);
const adas = (name: string, more: Record<string, unknown> = {}) => event({ name, person: ada, ...more });
const ofType = (type: string, data: Record<string, unknown> = {}) => adas("", { type, name: undefined, data });

describe("rules", () => {
	test("say what goes where, by type, name or name with *, and a destination's `events` do too", async () => {
		const { batch, settled } = await withRules(
			[
				{ event: "product:*", to: ["helpcrunch"], send: false },
				{ event: "page", to: ["vibetrace"], send: true },
				{ event: "newsletter", send: true },
			],
			{ events: ["confirmation", "basket:*", "purchase"] },
		);
		await batch(adas("product:viewed"), adas("basket:item:added"), adas("newsletter"), ofType("page"));
		await settled(4);
		expect(namesAt("crisp")).toEqual(["basket:item:added", "newsletter"]);
		expect(namesAt("helpcrunch")).toEqual(["basket:item:added", "newsletter"]);
		expect(namesAt("vibetrace")).toEqual(["product:viewed", "basket:item:added", "newsletter", "page"]);
	});

	test("rename and colour events at some destinations, and the stored event stays as it was captured", async () => {
		const { batch, settled, sandbox, admin } = await withRules([
			{ event: "viewed", to: ["crisp"], name: "Viewed a product", color: "purple" },
			{ event: "viewed", to: ["vibetrace"], name: "viewitem" },
			{ event: "refused", name: "Refused", to: ["crisp"] },
		]);
		sandbox.fault("crisp", { status: 400, times: 1, path: /events/ });
		await batch(adas("refused"), adas("viewed", { data: { itemId: "1" } }));
		await settled(2);
		expect(eventsAt("crisp")).toMatchObject([{ name: "Viewed a product", color: "purple", data: { itemId: "1" } }]);
		expect(namesAt("helpcrunch")).toEqual(["refused", "viewed"]);
		expect(eventsAt("vibetrace")[1]).toMatchObject({ type: "viewitem" });
		const { items } = await (await admin("/deadletters")).json();
		expect(items).toMatchObject([{ event: { type: "track", name: "refused" } }]);
		await admin("/deadletters/replay", {
			...{ method: "POST", headers: { "content-type": "application/json" }, body: '{"all":true}' },
		});
		await vi.waitFor(() => expect(namesAt("crisp")).toEqual(["Viewed a product", "Refused"]));
	});

	test("match the tracker in the event's context", async () => {
		const { batch, settled } = await withRules([{ event: "*", via: "gtag", send: false, to: ["crisp"] }]);
		await batch(adas("own"), adas("adopted", { context: { via: "gtag" } }), adas("other", { context: { via: "fbq" } }));
		await settled(3);
		expect(namesAt("crisp")).toEqual(["own", "other"]);
		expect(namesAt("helpcrunch")).toEqual(["own", "adopted", "other"]);
	});

	test("make a purchase of an event, once for each order at that destination alone, counted", async () => {
		const { batch, settled } = await withRules([
			{
				event: "purchase",
				to: ["crisp", "vibetrace"],
				as: "confirmation",
				pick: { orderId: "order.id", total: "value" },
			},
		]);
		const data = (id: string) => ({ order: { id }, value: "9.90", items: [{ id: "a", quantity: 1 }] });
		await batch(adas("purchase", { data: data("A-1") }), adas("purchase", { data: data("A-1") }));
		await batch(adas("purchase", { data: data("A-2") }), ofType("confirmation", { orderId: "A-2", total: 9.9 }));
		const { destinations, discarded } = await settled(4);
		const purchase = (orderId: string) => ({
			name: "confirmation",
			data: { orderId, total: 9.9, items: [{ id: "a", quantity: 1 }] },
		});
		expect(eventsAt("crisp")).toMatchObject([
			{ ...purchase("A-1"), color: "green" },
			{ ...purchase("A-2"), color: "green" },
		]);
		expect(eventsAt("vibetrace")).toMatchObject([
			{ type: "confirmation", ...purchase("A-1") },
			{ type: "confirmation", ...purchase("A-2") },
		]);
		expect(namesAt("helpcrunch")).toEqual(["purchase", "purchase", "purchase", "confirmation"]);
		expect(destinations.crisp?.discarded).toEqual({ duplicate_order: 2 });
		expect(destinations.helpcrunch?.discarded).toEqual({});
		expect(discarded).toEqual({});
	});

	test("leave an event without a readable order as it was captured, and count it", async () => {
		const { batch, settled, admin } = await withRules([{ event: "purchase", to: ["crisp"], as: "confirmation" }]);
		await batch(adas("purchase", { data: { order: "A-1" } }));
		await settled(1);
		expect(namesAt("crisp")).toEqual(["purchase"]);
		expect(await (await admin("/stats")).json()).toMatchObject({ sinceStart: { orders_unread: 1 } });
		expect(await (await fetch(`${running?.url}/metrics`)).text()).toContain("eventferry_orders_unread_total 1");
	});

	test("send a login or an update as a track, which sets no attribute", async () => {
		const { batch, settled, sandbox } = await withRules([
			{ event: "login", to: ["crisp"], as: "track", name: "Logged in" },
		]);
		await batch(ofType("login", { plan: "pro" }));
		await settled(1);
		expect(eventsAt("crisp")).toMatchObject([{ name: "Logged in", data: { plan: "pro" } }]);
		expect(sandbox.people("crisp")[0]?.attributes).toEqual({});
		expect(sandbox.people("helpcrunch")[0]?.attributes).toEqual({ plan: "pro" });
	});

	test("let an event overtake others, but no untrusted one a trusted one", async () => {
		const { batch, settled, sandbox, post } = await withRules([
			{ event: "urgent", to: ["crisp"], rank: "confirmation" },
		]);
		const visitor = (name: string) => ({ email: `${name}@example.com` });
		for (const name of ["a", "b", "c", "d"])
			for (const to of ["crisp", "helpcrunch"] as const) sandbox.addPerson(to, visitor(name));
		// Holds the destination until all of them wait.
		sandbox.fault("crisp", { status: 429, retryAfter: 1, times: 1 });
		await batch(event({ name: "first", person: visitor("a") }));
		await sandbox.until(() => sandbox.requests("crisp").some(({ status }) => status === 429));
		await batch(event({ name: "track", person: visitor("b") }), event({ name: "urgent", person: visitor("c") }));
		const trusted = event({ name: "trusted", person: visitor("d") });
		await post({ events: [trusted] }, { authorization: `Bearer ${serverKey}`, origin: undefined }, "/v1/events");
		await settled(4);
		const sent = sandbox.requests("crisp").filter(({ status }) => status !== 429);
		const order = sent.map(({ body }) => (body as { text?: string }).text);
		expect(order.indexOf("trusted")).toBeLessThan(order.indexOf("urgent"));
		expect(order.indexOf("urgent")).toBeLessThan(order.indexOf("track"));
	});
});

describe("an event that a rule lets expire", () => {
	const rules: Rules = [{ event: "offer", to: ["crisp"], expires: "90s" }];
	const expiring = (leftMs: number) => adas("offer", { at: Date.now() - 90_000 + leftMs });

	test("is not delivered later than that, and is counted rather than a dead letter", async () => {
		const { batch, settled, sandbox } = await withRules(rules);
		const mend = sandbox.fault("crisp", { status: 503, path: /events/ });
		await batch(expiring(1_000), adas("other"));
		await sandbox.until(() => sandbox.requests("crisp").some(({ status }) => status === 503));
		await vi.waitFor(async () => {
			const stats = await (await running?.admin("/stats"))?.json();
			expect(stats.destinations.crisp.discarded).toEqual({ expired: 1 });
		}, 20_000);
		mend();
		const { destinations } = await settled(2);
		expect(destinations.crisp?.dead).toBe(0);
		expect(namesAt("crisp")).toEqual(["other"]);
		expect(namesAt("helpcrunch")).toEqual(["offer", "other"]);
	});

	test("is not even stored for the destination if it arrives too late", async () => {
		const { batch, settled, sandbox, admin } = await withRules(rules);
		const late = expiring(-1);
		await batch(late);
		expect((await settled(1)).destinations.crisp?.discarded).toEqual({ expired: 1 });
		expect(sandbox.requests("crisp")).toEqual([]);
		const found = await admin("/search", {
			...{ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ event: late.id }) },
		});
		expect((await found.json()).journeys[0].deliveries).toContainEqual({
			...{ destination: "crisp", state: "skipped", reason: "expired", attempts: [] },
		});
	});

	test("is not sent by a replay, which discards it", async () => {
		const { batch, settled, sandbox, admin } = await withRules(rules);
		sandbox.fault("crisp", { status: 400, times: 1, path: /events/ });
		const offer = expiring(2_000);
		await batch(offer);
		expect((await settled(1)).destinations.crisp?.dead).toBe(1);
		await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(Number(offer.at) + 90_000), 10_000);
		await admin("/deadletters/replay", {
			...{ method: "POST", headers: { "content-type": "application/json" }, body: '{"all":true}' },
		});
		const { destinations } = await settled(1);
		expect(destinations.crisp).toMatchObject({ dead: 0, delivered: 0, discarded: { expired: 1 } });
		expect(eventsAt("crisp")).toEqual([]);
	});
});

describe("a configuration with rules", () => {
	const site = { writeKey: "site_a", origins: ["https://a.example"], vibetrace: { apiKey: "v" } };
	const mistakes = (rules: unknown, more: object = {}) => {
		try {
			checkConfig({ sites: [{ ...site, ...more, rules }] });
			return "";
		} catch (error) {
			return error instanceof Error ? error.message : "";
		}
	};

	test("is refused with every mistake at once, each by its path", () => {
		const message = mistakes([
			{ event: "x", as: "login" },
			{ event: "", color: "beige" },
			{ event: "x" },
			{ event: "x", expires: "soon", to: [] },
			{ event: "x", digest: false, rank: "purchase" },
			{ name: "y", sends: true },
			{ event: "x", name: "a\nb", send: "yes" },
			{ event: "", to: "crisp" },
			{ event: "x", as: "confirmation", pick: "order.id" },
		]);
		for (const part of [
			'sites[0].rules[0].as must be "track" or "confirmation"',
			"sites[0].rules[1].event is empty",
			"sites[0].rules[1].color must be one of red",
			"sites[0].rules[2] says only which events it is about",
			"sites[0].rules[3].expires must be a whole number of seconds, minutes, hours or days",
			"sites[0].rules[3].to is empty",
			"sites[0].rules[4].digest must be true",
			"sites[0].rules[4].rank must be one of track",
			"sites[0].rules[5].event is missing",
			'sites[0].rules[5] has no option "sends"',
			"sites[0].rules[6].name must not have control characters",
			"sites[0].rules[6].send must be true or false",
			"sites[0].rules[7].event is empty",
			"sites[0].rules[7].to must be a list",
			"sites[0].rules[7] says only which events it is about",
			"sites[0].rules[8].pick must be an object",
		])
			expect(message).toContain(part);
		expect(mistakes({})).toContain("sites[0].rules must be a list");
	});

	test.each(["0s", "-1h", "2", "h", "1.5h", "2 h", "2w", "1234567s", "2H"])("does not take %j as a time", (expires) => {
		expect(mistakes([{ event: "x", expires }])).toContain("sites[0].rules[0].expires");
	});

	test("has no secrets in its rules, whatever the fields of events are called", () => {
		const rules = [{ event: "x", as: "confirmation" as const, pick: { key: "secret", token: "api.key" } }];
		expect(warningsOf(checkConfig({ sites: [{ ...site, rules }] }))).toEqual([]);
	});

	test("may be checked again once it is checked", () => {
		const rules = [{ event: "x", expires: "2h", pick: { orderId: "id" }, as: "confirmation" }];
		const checked = checkConfig({ sites: [{ ...site, rules }] });
		expect(checkConfig(checked)).toEqual(checked);
		expect(checkConfig({ sites: [site] }).sites[0]?.rules).toEqual([]);
	});
});

describe("the environment alone", () => {
	const smallest = { EVENTFERRY_WRITE_KEY: "site_shop", EVENTFERRY_ORIGINS: "https://shop.example" };
	const accounts = {
		...{ CRISP_WEBSITE_ID: "w", CRISP_IDENTIFIER: "i", CRISP_KEY: "k" },
		...{ HELPCRUNCH_API_KEY: "h", VIBETRACE_API_KEY: "v" },
	};
	const load = (env: Record<string, string>) => loadConfig({ file: false, env: { ...smallest, ...accounts, ...env } });

	test("chooses the events of each destination, and unset means the default", async () => {
		const { sites } = await load({
			CRISP_EVENTS: "confirmation, login,basket:*,",
			HELPCRUNCH_EVENTS: "*",
			VIBETRACE_EVENTS: "",
		});
		expect(sites[0]?.crisp?.events).toEqual(["confirmation", "login", "basket:*"]);
		expect(sites[0]?.helpcrunch?.events).toEqual(["*"]);
		expect(sites[0]?.vibetrace?.events).toBeUndefined();
	});

	test.each([",", " ", " , ,", "\t"])("chooses no events by %j, which counts as unset", async (nothing) => {
		const { sites } = await load({ CRISP_EVENTS: nothing });
		expect(sites[0]?.crisp?.events).toBeUndefined();
	});

	test("is ignored without the destination's credentials, and refused by the variable's name", async () => {
		const env = { ...smallest, VIBETRACE_API_KEY: "v", CRISP_EVENTS: "login" };
		expect((await loadConfig({ file: false, env })).sites[0]?.crisp).toBeUndefined();
		await expect(load({ CRISP_EVENTS: `login,${"x".repeat(121)}` })).rejects.toThrow(
			"CRISP_EVENTS entry 2 must be at most",
		);
	});

	test("reaches the built command, whose check names rules without effect", async () => {
		const commands = await commandLine();
		try {
			const env = { ...commands.validEnvironment(), CRISP_EVENTS: "confirmation,basket:*" };
			const { url } = await commands.serve(["--port", "0"], env);
			const sent = ["basket:item:added", "product:viewed", "basket:emptied"].map((name) => adas(name));
			const response = await fetch(`${url}/v1/events`, {
				method: "POST",
				headers: { "content-type": "application/json", authorization: `Bearer ${serverKey}` },
				body: JSON.stringify({ events: sent }),
			});
			expect(response.status).toBe(202);
			await commands.sandbox.until(() => commands.sandbox.people("crisp")[0]?.events.length === 2);
			const [person] = commands.sandbox.people("crisp");
			expect(person?.events.map(({ name }) => name)).toEqual(["basket:item:added", "basket:emptied"]);

			const { writeFile } = await import("node:fs/promises");
			const { crisp } = commands.sandbox.destinations;
			const rules = [
				{ event: "product:viewed", to: ["crisp"], name: "Viewed" },
				{ event: "x", to: ["crips"], send: false },
			];
			const config = {
				sites: [{ writeKey: "site_a", origins: ["https://a.example"], crisp: { ...crisp, events: ["login"] }, rules }],
			};
			await writeFile(`${commands.folder}/rules.json`, JSON.stringify(config));
			const { code, stderr } = await commands.run(["check", "--config", "rules.json"]);
			expect(code).toBe(0);
			expect(stderr).toContain("eventferry: sites[0].rules[0] (product:viewed) has no effect");
			expect(stderr).toContain("eventferry: sites[0].rules[1].to names crips");
		} finally {
			await commands.stop();
		}
	});
});
