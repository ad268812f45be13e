import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Explanation } from "../../shared/admin.ts";
import { type CommandLine, commandLine } from "../support/command.ts";
import { event, problemOf, type RunningProxy, runProxy } from "../support/proxy.ts";

const rules = [
	{ event: "purchase", to: ["crisp"], as: "confirmation", pick: { orderId: "order.id" } },
	{ event: "product:*", digest: true, expires: "3d", rank: "update" },
	{ event: "product:viewed", to: ["helpcrunch"], name: "Viewed" },
	{ event: "hidden", send: false },
	{ event: "page", to: ["vibetrace"], send: true },
] as const;
const ada = { email: "ada@example.com", userId: "7" };

let commands: CommandLine;
let running: RunningProxy;
beforeAll(async () => {
	commands = await commandLine();
	const { destinations } = commands.sandbox;
	const site = { writeKey: "site_a", origins: ["https://a.example"], ...destinations, rules };
	const other = { ...site, writeKey: "site_b", origins: ["https://b.example"], rules: [{ event: "*", send: false }] };
	await writeFile(join(commands.folder, "shop.json"), JSON.stringify({ sites: [site, other] }));
	running = await runProxy({ site: (all) => ({ ...all, rules: rules.map((rule) => ({ ...rule }) as never) }) });
});
afterAll(async () => {
	await running.stop();
	await commands.stop();
});

const command = (json: unknown, ...args: string[]) =>
	commands.run(["explain", typeof json === "string" ? json : JSON.stringify(json), "--config", "shop.json", ...args]);
async function explained(json: unknown): Promise<Explanation> {
	const { code, stdout, stderr } = await command(json, "--json");
	expect([code, stderr]).toEqual([0, ""]);
	return JSON.parse(stdout);
}
const post = (body: unknown) =>
	running.admin("/explain", {
		...{ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
	});

describe("an explanation", () => {
	test.each<[string, Record<string, unknown>]>([
		["a purchase that a rule makes", { name: "purchase", data: { order: { id: "A-1" }, total: 5 } }],
		["an event that a rule renames", { name: "product:viewed", data: { sku: "1" } }],
		["a login", { type: "login", data: { firstname: "Ada", lastname: "Lovelace", plan: "pro", phone: "1" } }],
		["an update", { type: "update", data: { plan: "pro" } }],
		["a page view", { type: "page", context: { url: "https://shop.example/a", title: "A" } }],
		["a purchase", { type: "confirmation", data: { orderId: "B-1", total: 9.9, items: [{ id: "x", quantity: 1 }] } }],
		["an event that a rule holds back", { name: "hidden" }],
	])("of %s has the very requests that are sent to each provider for an unknown person", async (_of, fields) => {
		const given = { type: "track", person: ada, at: Date.now(), ...fields };
		const answer = await post(given);
		expect(answer.status).toBe(200);
		const explanation = (await answer.json()) as Explanation;
		running.sandbox.clear();
		const before = (await (await running.admin("/stats")).json()).events;
		const person = { email: `${crypto.randomUUID()}@example.com`, userId: crypto.randomUUID() };
		await running.batch(event({ name: undefined, ...given, person }));
		await running.settled(before + 1);
		for (const name of ["crisp", "helpcrunch", "vibetrace"] as const) {
			const sent = running.sandbox.requests(name).map(({ method, path, query, body }) => ({
				request: `${method} ${path}${query ? `?${query}` : ""}`,
				body,
			}));
			// The event's person and the id that a creation returns are the only differences.
			const asAda = JSON.parse(
				JSON.stringify(sent)
					.replaceAll(encodeURIComponent(person.email), encodeURIComponent(ada.email))
					.replaceAll(person.email, ada.email)
					.replaceAll(person.email.slice(0, 36), "ada")
					.replaceAll(person.userId, ada.userId)
					.replaceAll(/"customer":\d+|\/customers\/\d+/g, (found) => found.replace(/\d+/, "0")),
			);
			const wanted = explanation.destinations[name]?.requests.map(({ request, body }) => ({ request, body }));
			expect([name, wanted]).toEqual([name, asAda]);
			expect(explanation.destinations[name]?.cost).toBe(sent.length);
		}
	});

	test("tells which rules decided, and as what the event is sent", async () => {
		const { destinations } = await explained({ name: "product:viewed" });
		expect(destinations.helpcrunch).toMatchObject({
			sent: true,
			by: { name: "rules[2]", digest: "rules[1]", expires: "rules[1]", rank: "rules[1]" },
			as: { type: "track", name: "Viewed", digest: true, rank: "update", expires: "3d" },
			cost: 3,
			budget: { requests: 120, per: "minute" },
			ends: "delivered",
		});
		expect(destinations.helpcrunch?.requests.map(({ answer }) => answer)).toEqual([
			"unknown_person",
			"delivered",
			"delivered",
		]);
		const hidden = (await explained({ name: "hidden" })).destinations;
		expect(hidden.crisp).toMatchObject({ sent: false, because: "rules[3] says send: false", requests: [], cost: 0 });
		const page = (await explained({ type: "page" })).destinations;
		expect([page.crisp?.sent, page.vibetrace?.sent]).toEqual([false, true]);
		expect(page.vibetrace?.by).toEqual({ send: "rules[4]" });
	});

	test("fills in what is left out, and is of the site that the event names", async () => {
		const { event: filled } = await explained({ name: "x" });
		expect(filled).toMatchObject({ type: "track", name: "x", person: { email: "visitor@example.com" } });
		expect(Math.abs(filled.at - Date.now())).toBeLessThan(60_000);
		const other = await explained({ writeKey: "site_b", name: "x" });
		expect([other.site, other.destinations.crisp?.sent]).toEqual(["b.example", false]);
	});

	test("tells of persons who cannot be addressed, and of events that are too late", async () => {
		const { destinations } = await explained({ name: "x", person: { userId: "7" } });
		expect(destinations.crisp).toMatchObject({ sent: false, reason: "not_addressable" });
		expect(destinations.helpcrunch?.sent).toBe(true);
		const late = await explained({ name: "product:x", at: Date.now() - 4 * 86_400_000 });
		expect(late.destinations.crisp).toMatchObject({ sent: false, reason: "expired" });
	});

	test("notes a purchase that cannot be read", async () => {
		const { destinations } = await explained({ name: "purchase", data: { order: "A-1" } });
		expect(destinations.crisp).toMatchObject({ as: { type: "track", name: "purchase" }, note: /no orderId/ });
		expect(destinations.helpcrunch?.note).toBeUndefined();
	});
});

describe("eventferry explain", () => {
	test("prints the requests of each destination, sends nothing, and shows no secret", async () => {
		const before = commands.sandbox.requests().length;
		const { code, stdout, stderr } = await command({ name: "purchase", data: { order: { id: "A-1" } } });
		expect([code, stderr]).toEqual([0, ""]);
		expect(stdout).toContain(
			'crisp: sent as confirmation, "confirmation" (by default; as by rules[0], pick by rules[0])',
		);
		expect(stdout).toContain("answered: nobody found");
		expect(stdout).toContain('{"text":"confirmation","color":"green","data":{"orderId":"A-1"}}');
		expect(stdout).toContain("costs 3 requests of 10,000 a day");
		expect(commands.sandbox.requests()).toHaveLength(before);
		const { crisp, helpcrunch, vibetrace } = commands.sandbox.destinations;
		for (const secret of [crisp.identifier, crisp.key, helpcrunch.apiKey, vibetrace.apiKey])
			expect(stdout).not.toContain(secret);
	});

	test("says why nothing is sent", async () => {
		const { stdout } = await command({ name: "hidden" });
		expect(stdout).toBe(
			["crisp", "helpcrunch", "vibetrace"].map((name) => `${name}: not sent (rules[3] says send: false)\n`).join(""),
		);
	});

	test.each([
		["", /needs an event/],
		["not json", /must be a JSON object/],
		["[1]", /an event is an object/],
		[
			'{"type":"confirmation"}',
			/would be refused: data: must be an object with an orderId, such as \{"orderId":"A-1"\}\n$/,
		],
		['{"type":"confirmation","data":{}}', /would be refused: data\.orderId: must be text or a number\n$/],
		['{"type":"track","name":"x","at":"now"}', /would be refused: at: must be a number\n$/],
		['{"name":"x","writeKey":"site_c"}', /no site has this write key/],
		[
			'{"type":"purchase"}',
			/would be refused: type: must be track, login, update, page, confirmation or email_open\n$/,
		],
	])("refuses %j with exit code 2", async (json, reason) => {
		const args = json === "" ? ["explain", "--config", "shop.json"] : ["explain", json, "--config", "shop.json"];
		const { code, stdout, stderr } = await commands.run(args);
		expect([code, stdout, stderr]).toEqual([2, "", expect.stringMatching(reason)]);
	});

	test("reports every mistake of a configuration, with exit code 2", async () => {
		const { code, stderr } = await commands.run(["explain", "{}"], {});
		expect(code).toBe(2);
		expect(stderr).toContain("EVENTFERRY_WRITE_KEY");
	});
});

describe("POST /admin/explain", () => {
	test("is for operators only, and refuses what is no event", async () => {
		const open = await fetch(`${running.url}/admin/explain`, { method: "POST", body: "{}" });
		expect((await problemOf(open)).code).toBe("invalid_admin_token");
		for (const body of [[1], { type: "confirmation" }, { name: "x", data: { __proto__: null, a: "x".repeat(20_000) } }])
			expect(await problemOf(await post(body))).toMatchObject({ status: 400, code: "malformed_body" });
		const get = await running.admin("/explain");
		expect(get.status).toBe(405);
	});

	test("answers the same as the command", async () => {
		const { destinations } = (await (await post({ name: "product:viewed" })).json()) as Explanation;
		const printed = await explained({ name: "product:viewed" });
		const as = (all: Explanation["destinations"]) => Object.values(all).map(({ requests: _, ...each }) => each);
		expect(as(destinations)).toEqual(as(printed.destinations));
	});
});
