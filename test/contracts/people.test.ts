import { afterEach, describe, expect, it } from "vitest";
import { event, problemOf, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

const ada = { email: "Ada@Example.com" };
const destinations = ["crisp", "helpcrunch", "vibetrace"] as const;

describe("DELETE /v1/people", () => {
	let running: RunningProxy;
	afterEach(() => running.stop());

	async function start(crispBudget = 10_000) {
		running = await runProxy({ site: (all) => ({ ...all, crisp: { ...all.crisp, budget: crispBudget } }) });
		return running;
	}

	const remove = (body: unknown, headers: Record<string, string> = {}) =>
		fetch(`${running.url}/v1/people`, {
			method: "DELETE",
			headers: { "content-type": "application/json", authorization: `Bearer ${serverKey}`, ...headers },
			body: JSON.stringify(body),
		});
	const forgotten = async (person: unknown) => {
		const response = await remove(person);
		expect(response.status).toBe(200);
		return ((await response.json()) as { destinations: Record<string, Record<string, unknown>> }).destinations;
	};
	const removals = (destination: (typeof destinations)[number]) =>
		running.sandbox.requests(destination).filter(({ method }) => method === "DELETE");

	it("deletes the profile if the provider has a route for it, and reports on each destination", async () => {
		const { sandbox } = await start();
		sandbox.addPerson("helpcrunch", { email: "ada@example.com", userId: "somebody else's" });
		await running.batch(event({ person: ada }));
		await running.settled(1);
		expect(await forgotten(ada)).toEqual({
			crisp: { queued: 0, deadLetters: 0, profile: "deleted" },
			helpcrunch: { queued: 0, deadLetters: 0, profile: "deleted" },
			vibetrace: { queued: 0, deadLetters: 0, profile: "not_supported", reason: expect.any(String) },
		});
		expect([sandbox.people("crisp"), sandbox.people("helpcrunch")]).toEqual([[], []]);
		expect(removals("crisp").map(({ path }) => path)).toEqual([
			`/website/${sandbox.destinations.crisp.websiteId}/people/profile/ada%40example.com`,
		]);
	});

	it("keeps HelpCrunch's customers with the same e-mail and another userId if a userId is given", async () => {
		const { sandbox } = await start();
		const hers = sandbox.addPerson("helpcrunch", { email: "ada@example.com", userId: "u-1" });
		sandbox.addPerson("helpcrunch", { email: "ada@example.com", userId: "u-2" });
		sandbox.addPerson("helpcrunch", { email: "old@example.com" });
		expect(await forgotten({ ...ada, userId: "u-1" })).toMatchObject({ helpcrunch: { profile: "deleted" } });
		expect(removals("helpcrunch").map(({ path }) => path)).toEqual([`/customers/${hers}`]);
		expect(sandbox.people("helpcrunch").map(({ userId }) => userId)).toEqual(["u-2", undefined]);
	});

	it("asks for every profile and every name, even after one has failed", async () => {
		const { sandbox } = await start();
		const hers = [1, 2].map((n) => sandbox.addPerson("helpcrunch", { email: "ada@example.com", userId: `u-${n}` }));
		const [first, second] = hers.map((id) => `/customers/${id}`);
		const clear = sandbox.fault("helpcrunch", { status: 500, method: "DELETE", path: new RegExp(`${first}$`) });
		const failed = { profile: "failed", reason: "http_500", status: 500 };
		expect((await forgotten({ email: ada.email })).helpcrunch).toMatchObject(failed);
		expect(removals("helpcrunch").map(({ path }) => path)).toEqual([first, second]);
		clear();
		sandbox.fault("helpcrunch", { status: 500, method: "POST", times: 1 });
		sandbox.addPerson("helpcrunch", { email: "ada@example.com" });
		expect((await forgotten({ ...ada, userId: "u-1" })).helpcrunch).toMatchObject(failed);
		expect(sandbox.people("helpcrunch").map(({ userId }) => userId)).not.toContain(undefined);
	});

	it("deletes queued events and dead letters, and reports their numbers", async () => {
		const { sandbox } = await start();
		const clear = sandbox.fault("crisp", { status: 400, body: { error: true, reason: "invalid_data", data: {} } });
		await running.batch(event({ person: ada }));
		await running.settled(1);
		clear();
		const faults = destinations.map((destination) => sandbox.fault(destination, { status: 500 }));
		await running.batch(event({ person: ada }), event({ person: { email: "bob@example.com" } }));
		await sandbox.until((requests) => requests.filter(({ status }) => status === 500).length >= 6);
		const before = await forgotten(ada);
		expect(before).toMatchObject({
			crisp: { queued: 1, deadLetters: 1, profile: "failed", status: 500 },
			helpcrunch: { queued: 1, deadLetters: 0, profile: "failed", status: 500 },
			vibetrace: { queued: 1, deadLetters: 0, profile: "not_supported" },
		});
		const { items } = (await (await running.admin("/deadletters")).json()) as { items: unknown[] };
		expect(items).toEqual([]);
		// A second request does what the first could not.
		for (const end of faults) end();
		expect(await forgotten(ada)).toMatchObject({ crisp: { queued: 0, deadLetters: 0, profile: "not_found" } });
	});

	it("waits for requests under way, so that they do not create the profile again", async () => {
		const { sandbox } = await start();
		sandbox.fault("crisp", { delayMs: 300, method: "POST", path: /people\/profile$/ });
		await running.batch(event({ person: ada }));
		await sandbox.until(
			(requests) => requests.some(({ method, path }) => method === "POST" && path.endsWith("/profile")),
			{
				destination: "crisp",
			},
		);
		expect(await forgotten(ada)).toMatchObject({ crisp: { queued: 1, profile: "deleted" } });
		expect(sandbox.people("crisp")).toEqual([]);
	});

	it("sends nothing to a destination that is held, and says why", async () => {
		const { sandbox } = await start();
		sandbox.fault("crisp", { status: 401, body: { error: true, reason: "invalid_session", data: {} } });
		await running.batch(event({ person: { email: "bob@example.com" } }));
		await sandbox.until((requests) => requests.some(({ status }) => status === 401), { destination: "crisp" });
		await expect
			.poll(async () => (await forgotten(ada)).crisp)
			.toEqual({ queued: 0, deadLetters: 0, profile: "failed", reason: "invalid_session" });
	});

	it("spends the budget, and reports when it is exhausted", async () => {
		await start(1);
		expect(await forgotten(ada)).toMatchObject({ crisp: { profile: "not_found" } });
		expect(await forgotten(ada)).toMatchObject({ crisp: { profile: "failed", reason: "budget_exhausted" } });
		expect(removals("crisp")).toHaveLength(1);
	});

	it("reports that a destination cannot address the person", async () => {
		await start();
		expect(await forgotten({ userId: "u-1" })).toMatchObject({
			crisp: { profile: "not_addressable" },
			helpcrunch: { profile: "not_found" },
		});
	});

	it("requires the server key and a person", async () => {
		await start();
		const refused = async (response: Response) => [response.status, (await problemOf(response)).code];
		expect(await refused(await remove(ada, { authorization: "Bearer wrong" }))).toEqual([401, "invalid_server_key"]);
		expect(await refused(await remove({}))).toEqual([400, "malformed_body"]);
		expect(await refused(await remove({ email: "no address" }))).toEqual([400, "malformed_body"]);
		expect(await refused(await remove(ada, { "content-type": "text/html" }))).toEqual([415, "unsupported_media_type"]);
		expect(await refused(await fetch(`${running.url}/v1/people`))).toEqual([405, "method_not_allowed"]);
	});

	it("names the limit of its body", async () => {
		await start();
		const refused = await remove({ email: "x".repeat(9_000) });
		expect(await problemOf(refused)).toMatchObject({ code: "body_too_large", detail: expect.stringContaining("8 KB") });
	});

	it("answers 503 while the store is closed", async () => {
		await start();
		await running.proxy.stop();
		const response = await remove(ada);
		expect([response.status, (await problemOf(response)).code]).toEqual([503, "store_unavailable"]);
	});
});
