import { afterEach, describe, expect, it } from "vitest";
import type { Config } from "../../server/index.ts";
import { crispReports, crispSecret, helpcrunchReports, helpcrunchSecret } from "../support/hooks.ts";
import { event, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

type Rule = NonNullable<Config["sites"][number]["inbound"]>[number];
const ada = { email: "ada@example.com" };
const bob = { email: "bob@example.com" };
const session = { session_id: "session_ada" };
const opened = { type: "session", identifier: "session_ada", mode: "open" };

describe("a provider's report", () => {
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

	/** Events and attributes that a provider has received, by person. */
	const receivedBy = (destination: "crisp" | "helpcrunch" | "vibetrace") =>
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

	describe("becomes an event if a rule says so", () => {
		const opens: Rule = { from: "crisp", event: "email:track:view", as: "email_open" };

		it("for the other destinations, never for the one it came from", async () => {
			await start(opens);
			await crispReports(running, "session:set_email", { ...session, ...ada });
			await crispReports(running, "email:track:view", opened);
			await running.settled(1);
			const expected = { email: ada.email, events: [["email_open", { type: "session", mode: "open" }]] };
			expect([receivedBy("helpcrunch"), receivedBy("vibetrace")]).toMatchObject([[expected], [{ email: ada.email }]]);
			expect(running.sandbox.requests("crisp")).toEqual([]);
		});

		it("under the same restrictions: an opened e-mail counts once in 20 minutes, whoever reports it", async () => {
			await start(opens);
			await crispReports(running, "session:set_email", { ...session, ...ada });
			await crispReports(running, "email:track:view", opened);
			await crispReports(running, "email:track:view", opened);
			const fromBackend = { events: [event({ type: "email_open", name: undefined, person: ada })] };
			await running.post(fromBackend, { authorization: `Bearer ${serverKey}` }, "/v1/events");
			await running.settled(3);
			expect(receivedBy("helpcrunch")[0]?.events).toHaveLength(1);
			expect(await discarded()).toEqual({ email_open_too_soon: 2 });
		});

		it("but not of an unknown person, which is counted", async () => {
			await start(opens);
			await crispReports(running, "email:track:view", opened);
			expect(await counted()).toMatchObject({ hooks_taken: 1, hooks_nobody: 1 });
			expect(running.sandbox.requests()).toEqual([]);
		});

		it("of a person known by their session, their profile, or a report that binds both", async () => {
			await start({ from: "crisp", event: "message:send", as: "track", name: "chat message" });
			await crispReports(running, "people:profile:created", { people_id: "p-1", ...ada });
			await crispReports(running, "people:bind:session", { ...session, people_id: "p-1" });
			await crispReports(running, "message:send", { ...session, content: "Hey", from: "user", mentions: [] });
			await running.settled(1);
			expect(receivedBy("helpcrunch")).toMatchObject([
				{ email: ada.email, events: [["chat message", { content: "Hey", from: "user" }]] },
			]);
		});

		it.each(["\u212aim@example.com", "bob\u200b@example.com", "bob", `${"b".repeat(255)}@example.com`])(
			"of the person known before if a later report has an e-mail that is refused: %j",
			async (email) => {
				await start({ from: "crisp", event: "message:send", as: "track", name: "chat message" });
				await crispReports(running, "session:set_email", { ...session, ...ada });
				await crispReports(running, "session:set_email", { ...session, email });
				await crispReports(running, "people:bind:session", { ...session, people_id: "p-1" });
				await crispReports(running, "message:send", { ...session, content: "Hey" });
				await running.settled(1);
				expect(receivedBy("helpcrunch")).toMatchObject([{ email: ada.email, events: [["chat message", {}]] }]);
			},
		);

		it("with the report's own name if the rule gives none", async () => {
			await start({ from: "helpcrunch", event: "customer.unsubscribed", as: "track" });
			await helpcrunchReports(running, "customer.unsubscribed", { id: 7, ...ada, unsubscribed: true });
			await running.settled(1);
			expect(receivedBy("crisp")).toMatchObject([{ events: [["customer.unsubscribed", { unsubscribed: true }]] }]);
			expect(receivedBy("helpcrunch")).toEqual([]);
		});

		it("as a login or update with the reported attributes", async () => {
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
			expect(receivedBy("helpcrunch")).toMatchObject([{ email: ada.email, name: "Ada" }]);
			expect(receivedBy("crisp")).toEqual([
				{ email: bob.email, person: { nickname: "Bob" }, attributes: { plan: "pro" }, events: [] },
			]);
			expect(receivedBy("vibetrace").map(({ attributes }) => attributes)).toEqual([
				{ nickname: "Ada", phone: "+44" },
				{ name: "Bob", plan: "pro" },
			]);
		});

		it("several times if several rules match", async () => {
			await start(
				{ from: "crisp", event: "email:subscribe", as: "track", name: "subscribed" },
				{ from: "crisp", event: "email:subscribe", as: "track", name: "and again" },
				{ from: "helpcrunch", event: "email:subscribe", as: "track", name: "not this" },
			);
			await crispReports(running, "email:subscribe", { ...ada, subscribed: true });
			await running.settled(2);
			expect(receivedBy("vibetrace")[0]?.events.map(([name]) => name)).toEqual(["subscribed", "and again"]);
		});

		it("that is trusted no more than a page's: it creates no person if only trusted events may", async () => {
			running = await runProxy({
				site: ({ crisp, helpcrunch }) => ({
					crisp: { ...crisp, hookSecret: crispSecret },
					helpcrunch: { ...helpcrunch, createPeople: "verified" },
					inbound: [{ from: "crisp", event: "email:subscribe", as: "track" }],
				}),
			});
			await crispReports(running, "email:subscribe", { ...ada, subscribed: true });
			await running.settled(1);
			expect(receivedBy("helpcrunch")).toEqual([]);
		});

		it("that must be valid: a wrong one is dropped, and counted with those from pages", async () => {
			await start({ from: "crisp", event: "email:subscribe", as: "confirmation" });
			await crispReports(running, "email:subscribe", { ...ada, subscribed: true });
			const { sinceStart } = (await (await running.admin("/stats")).json()) as { sinceStart: { rejected: number } };
			expect(sinceStart.rejected).toBe(1);
			await running.settled(0);
			expect(running.sandbox.requests()).toEqual([]);
		});
	});

	describe("that is an echo of another provider's report", () => {
		const rules: Rule[] = [
			{ from: "crisp", event: "session:set_nickname", as: "login" },
			{ from: "helpcrunch", event: "customer.email_updated", as: "update" },
			{ from: "crisp", event: "message:send", as: "track", name: "chat" },
			{ from: "helpcrunch", event: "message.new", as: "track", name: "chat" },
			{ from: "helpcrunch", event: "customer.tags_changed", as: "track", name: "tags" },
		];

		it("goes no further, so that two providers do not echo each other for ever", async () => {
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

		it("is not one of another person, of another kind, or from the same provider", async () => {
			await start(...rules);
			await crispReports(running, "session:set_email", { ...session, ...ada });
			await crispReports(running, "session:set_nickname", { ...session, nickname: "Ada" });
			await crispReports(running, "session:set_nickname", { ...session, nickname: "Ada L." });
			await helpcrunchReports(running, "customer.email_updated", { id: 8, ...bob, name: "Bob" });
			await helpcrunchReports(running, "customer.tags_changed", { id: 7, ...ada, tag: "vip" });
			await running.settled(4);
			expect(await discarded()).toEqual({});
			expect(receivedBy("crisp")).toMatchObject([
				{ email: ada.email, events: [["tags", { tag: "vip" }]] },
				{ email: bob.email, person: { nickname: "Bob" } },
			]);
		});
	});

	describe("deletes the knowledge of a person whose profile was deleted", () => {
		const login = () => event({ type: "login", name: undefined, person: ada, data: { name: "Ada", plan: "pro" } });
		const writes = (destination: "crisp" | "helpcrunch") =>
			running.sandbox.requests(destination).filter(({ method, path }) => !path.endsWith("/search") && method !== "GET")
				.length;

		it("at Crisp, by the id from an earlier creation, but not the queued events", async () => {
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
			expect(receivedBy("crisp")).toContainEqual({
				email: ada.email,
				person: { nickname: "Ada" },
				attributes: { plan: "pro" },
				events: [],
			});
			expect(running.sandbox.requests("helpcrunch")).toHaveLength(helpcrunchBefore);
		});

		it("at HelpCrunch, by the id of the customer", async () => {
			await start();
			await running.batch(login());
			await running.settled(1);
			const [customer] = running.sandbox.people("helpcrunch");
			running.sandbox.removePerson("helpcrunch", ada.email);
			await helpcrunchReports(running, "customer.deleted", { id: customer?.id });
			await running.batch(login());
			await running.settled(2);
			expect(receivedBy("helpcrunch")).toMatchObject([{ email: ada.email, name: "Ada", attributes: { plan: "pro" } }]);
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
