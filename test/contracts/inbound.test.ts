import { afterEach, describe, expect, it } from "vitest";
import type { Config } from "../../server/index.ts";
import { crispReports, crispSecret, helpcrunchReports, helpcrunchSecret } from "../support/hooks.ts";
import { event, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

type Rule = NonNullable<Config["sites"][number]["inbound"]>[number];
const ada = { email: "ada@example.com" };
const bob = { email: "bob@example.com" };
const session = { session_id: "session_ada" };
const opened = { type: "session", identifier: "session_ada", mode: "open" };

describe("what a provider reports", () => {
	let running: RunningProxy;
	afterEach(() => running.stop());
	const start = async (...inbound: Rule[]) => {
		running = await runProxy({
			site: ({ crisp, helpcrunch, vibetrace }) => ({
				crisp: { ...crisp, hookSecret: crispSecret },
				helpcrunch: { ...helpcrunch, hookSecret: helpcrunchSecret },
				vibetrace,
				inbound,
			}),
		});
	};

	/** The events and attributes that each provider has been told, by person. */
	const told = (destination: "crisp" | "helpcrunch" | "vibetrace") =>
		running.sandbox
			.people(destination)
			.toSorted((a, b) => String(a.email).localeCompare(String(b.email)))
			.map(({ email, profile, attributes, events }) => ({
				email,
				...("person" in profile && { person: profile.person }),
				...("name" in profile && { name: profile.name }),
				...(Object.keys(attributes).length > 0 && { attributes }),
				events: events.map(({ name, data }) => [name, ...(data ? [data] : [])]),
			}));
	const discarded = async () =>
		((await (await running.admin("/stats")).json()) as { discarded: Record<string, number> }).discarded;
	const counted = async () =>
		((await (await running.admin("/stats")).json()) as { sinceStart: Record<string, number> }).sinceStart;

	describe("is, where a rule says so, one of our events", () => {
		const opens: Rule = { from: "crisp", event: "email:track:view", as: "email_open" };

		it("for the other destinations, never for the one it came from", async () => {
			await start(opens);
			await crispReports(running, "session:set_email", { ...session, ...ada });
			await crispReports(running, "email:track:view", opened);
			await running.settled(1);
			const expected = { email: ada.email, events: [["email_open", { type: "session", mode: "open" }]] };
			expect([told("helpcrunch"), told("vibetrace")]).toMatchObject([[expected], [{ email: ada.email }]]);
			expect(running.sandbox.requests("crisp")).toEqual([]);
		});

		it("under the same restrictions: an opened e-mail counts once in 20 minutes, whoever tells of it", async () => {
			await start(opens);
			await crispReports(running, "session:set_email", { ...session, ...ada });
			await crispReports(running, "email:track:view", opened);
			await crispReports(running, "email:track:view", opened);
			const fromBackend = { events: [event({ type: "email_open", name: undefined, person: ada })] };
			await running.post(fromBackend, { authorization: `Bearer ${serverKey}` }, "/v1/events");
			await running.settled(3);
			expect(told("helpcrunch")[0]?.events).toHaveLength(1);
			expect(await discarded()).toEqual({ email_open_too_soon: 2 });
		});

		it("and none of a person whom nobody can name, which is counted", async () => {
			await start(opens);
			await crispReports(running, "email:track:view", opened);
			expect(await counted()).toMatchObject({ hooks_taken: 1, hooks_nobody: 1 });
			expect(running.sandbox.requests()).toEqual([]);
		});

		it("of a person who is known by their session, or by their profile, or by what binds them", async () => {
			await start({ from: "crisp", event: "message:send", as: "track", name: "chat message" });
			await crispReports(running, "people:profile:created", { people_id: "p-1", ...ada });
			await crispReports(running, "people:bind:session", { ...session, people_id: "p-1" });
			await crispReports(running, "message:send", { ...session, content: "Hey", from: "user", mentions: [] });
			await running.settled(1);
			expect(told("helpcrunch")).toMatchObject([
				{ email: ada.email, events: [["chat message", { content: "Hey", from: "user" }]] },
			]);
		});

		it("with the report's own name where the rule gives none", async () => {
			await start({ from: "helpcrunch", event: "customer.unsubscribed", as: "track" });
			await helpcrunchReports(running, "customer.unsubscribed", { id: 7, ...ada, unsubscribed: true });
			await running.settled(1);
			expect(told("crisp")).toMatchObject([{ events: [["customer.unsubscribed", { unsubscribed: true }]] }]);
			expect(told("helpcrunch")).toEqual([]);
		});

		it("as a login or update with the attributes it tells", async () => {
			await start(
				{ from: "crisp", event: "session:set_nickname", as: "update" },
				{ from: "crisp", event: "people:profile:updated", as: "update" },
				{ from: "helpcrunch", event: "customer.new", as: "login" },
			);
			await crispReports(running, "session:set_email", { ...session, ...ada });
			await crispReports(running, "session:set_nickname", { ...session, nickname: "Ada" });
			const update = { updated_at: 1, person: { phone: "+44", geolocation: { country: "GB" }, timezone: 60 } };
			await crispReports(running, "people:profile:updated", { people_id: "p-1", ...ada, update });
			await helpcrunchReports(running, "customer.new", { id: 7, ...bob, name: "Bob", customData: { plan: "pro" } });
			await running.settled(3);
			expect(told("helpcrunch")).toMatchObject([{ email: ada.email, name: "Ada" }]);
			expect(told("crisp")).toEqual([
				{ email: bob.email, person: { nickname: "Bob" }, attributes: { plan: "pro" }, events: [] },
			]);
			expect(told("vibetrace").map(({ attributes }) => attributes)).toEqual([
				{ nickname: "Ada", phone: "+44" },
				{ name: "Bob", plan: "pro" },
			]);
		});

		it("several where several rules fit", async () => {
			await start(
				{ from: "crisp", event: "email:subscribe", as: "track", name: "subscribed" },
				{ from: "crisp", event: "email:subscribe", as: "track", name: "and again" },
				{ from: "helpcrunch", event: "email:subscribe", as: "track", name: "not this" },
			);
			await crispReports(running, "email:subscribe", { ...ada, subscribed: true });
			await running.settled(2);
			expect(told("vibetrace")[0]?.events.map(([name]) => name)).toEqual(["subscribed", "and again"]);
		});

		it("that is worth no more than a page's: it creates nobody where only trusted events may", async () => {
			running = await runProxy({
				site: ({ crisp, helpcrunch }) => ({
					crisp: { ...crisp, hookSecret: crispSecret },
					helpcrunch: { ...helpcrunch, createPeople: "verified" },
					inbound: [{ from: "crisp", event: "email:subscribe", as: "track" }],
				}),
			});
			await crispReports(running, "email:subscribe", { ...ada, subscribed: true });
			await running.settled(1);
			expect(told("helpcrunch")).toEqual([]);
		});

		it("that must be a right one: what is none is dropped, and counted with what pages send", async () => {
			await start({ from: "crisp", event: "email:subscribe", as: "confirmation" });
			await crispReports(running, "email:subscribe", { ...ada, subscribed: true });
			const { sinceStart } = (await (await running.admin("/stats")).json()) as { sinceStart: { rejected: number } };
			expect(sinceStart.rejected).toBe(1);
			await running.settled(0);
			expect(running.sandbox.requests()).toEqual([]);
		});
	});

	describe("and is the echo of what another has reported", () => {
		const rules: Rule[] = [
			{ from: "crisp", event: "session:set_nickname", as: "login" },
			{ from: "helpcrunch", event: "customer.email_updated", as: "update" },
			{ from: "crisp", event: "message:send", as: "track", name: "chat" },
			{ from: "helpcrunch", event: "message.new", as: "track", name: "chat" },
			{ from: "helpcrunch", event: "customer.tags_changed", as: "track", name: "tags" },
		];

		it("goes no further, so that two providers do not tell each other for ever", async () => {
			await start(...rules);
			await crispReports(running, "session:set_email", { ...session, ...ada });
			await crispReports(running, "session:set_nickname", { ...session, nickname: "Ada" });
			await running.settled(1);
			await helpcrunchReports(running, "customer.email_updated", { id: 7, ...ada, name: "Ada" });
			await crispReports(running, "message:send", { ...session, content: "Hey" });
			await helpcrunchReports(running, "message.new", { customer: { id: 7, ...ada }, content: "Hey" });
			await running.settled(2);
			expect(running.sandbox.requests("crisp")).toEqual([]);
			expect(await discarded()).toEqual({ echo: 2 });
		});

		it("but not what is of another person, of another kind, or from the same provider", async () => {
			await start(...rules);
			await crispReports(running, "session:set_email", { ...session, ...ada });
			await crispReports(running, "session:set_nickname", { ...session, nickname: "Ada" });
			await crispReports(running, "session:set_nickname", { ...session, nickname: "Ada L." });
			await helpcrunchReports(running, "customer.email_updated", { id: 8, ...bob, name: "Bob" });
			await helpcrunchReports(running, "customer.tags_changed", { id: 7, ...ada, tag: "vip" });
			await running.settled(4);
			expect(await discarded()).toEqual({});
			expect(told("crisp")).toMatchObject([
				{ email: ada.email, events: [["tags", { tag: "vip" }]] },
				{ email: bob.email, person: { nickname: "Bob" } },
			]);
		});
	});

	describe("ends what is remembered of a person whose profile there is gone", () => {
		const login = () => event({ type: "login", name: undefined, person: ada, data: { name: "Ada", plan: "pro" } });
		const writes = (destination: "crisp" | "helpcrunch") =>
			running.sandbox.requests(destination).filter(({ method, path }) => !path.endsWith("/search") && method !== "GET")
				.length;

		it("at Crisp, by the id that a creation told, and not what is queued", async () => {
			await start();
			await running.batch(login());
			await running.batch(event({ person: bob }));
			await running.settled(2);
			const before = writes("crisp");
			await running.batch(login());
			await running.settled(3);
			expect(writes("crisp")).toBe(before);

			const people_id = running.sandbox.people("crisp").find(({ email }) => email === ada.email)?.id;
			running.sandbox.removePerson("crisp", ada.email);
			await crispReports(running, "people:profile:removed", { people_id });
			const helpcrunchBefore = running.sandbox.requests("helpcrunch").length;
			await running.batch(login());
			await running.settled(4);
			expect(told("crisp")).toContainEqual({
				email: ada.email,
				person: { nickname: "Ada" },
				attributes: { plan: "pro" },
				events: [],
			});
			expect(running.sandbox.requests("helpcrunch")).toHaveLength(helpcrunchBefore);
		});

		it("at HelpCrunch, by the customer it names", async () => {
			await start();
			await running.batch(login());
			await running.settled(1);
			const [customer] = running.sandbox.people("helpcrunch");
			running.sandbox.removePerson("helpcrunch", ada.email);
			await helpcrunchReports(running, "customer.deleted", { id: customer?.id });
			await running.batch(login());
			await running.settled(2);
			expect(told("helpcrunch")).toMatchObject([{ email: ada.email, name: "Ada", attributes: { plan: "pro" } }]);
			expect(running.sandbox.people("helpcrunch")[0]?.id).not.toBe(customer?.id);
		});
	});

	it("is forgotten with the person", async () => {
		await start({ from: "crisp", event: "email:track:view", as: "email_open" });
		await crispReports(running, "session:set_email", { ...session, ...ada });
		await fetch(`${running.url}/v1/people`, {
			method: "DELETE",
			headers: { authorization: `Bearer ${serverKey}`, "content-type": "application/json" },
			body: JSON.stringify(ada),
		});
		await crispReports(running, "email:track:view", opened);
		expect(await counted()).toMatchObject({ hooks_nobody: 1 });
	});
});
