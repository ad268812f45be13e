import { once } from "node:events";
import { createServer } from "node:http";
import express from "express";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Sandbox, type SandboxRequest, startSandbox } from "../../server/sandbox/index.ts";
import { sandboxPage } from "../../server/sandbox/page.ts";

let sandbox: Sandbox;
beforeEach(async () => {
	sandbox = await startSandbox({ limits: { crispPerDay: 2, helpcrunchPerMinute: 2 } });
});
afterEach(async () => {
	vi.useRealTimers();
	await sandbox.stop();
});

/** Requests Ada's profile at Vibetrace, a 404 unless she was added. */
function getAda(init: RequestInit = {}): Promise<Response> {
	const { apiKey, baseUrl } = sandbox.destinations.vibetrace;
	return fetch(`${baseUrl}/user/ada%40example.com`, {
		headers: { authorization: apiKey },
		redirect: "manual",
		...init,
	});
}

function listHelpcrunch(): Promise<Response> {
	const { apiKey, baseUrl } = sandbox.destinations.helpcrunch;
	return fetch(`${baseUrl}/customers`, { headers: { authorization: `Bearer ${apiKey}` } });
}

function listCrisp(): Promise<Response> {
	const { identifier, key, tier, websiteId, baseUrl } = sandbox.destinations.crisp;
	const authorization = `Basic ${Buffer.from(`${identifier}:${key}`).toString("base64")}`;
	return fetch(`${baseUrl}/website/${websiteId}/people/profiles/1`, {
		headers: { authorization, "x-crisp-tier": tier },
	});
}

describe("a received request", () => {
	test("is recorded raw, in order, with the answer's status and without credentials", async () => {
		const { crisp, helpcrunch, vibetrace } = sandbox.destinations;
		await listCrisp();
		await listHelpcrunch();
		await getAda();
		await fetch(`${vibetrace.baseUrl}/event?a=1&b=?`, {
			method: "POST",
			body: "no JSON",
			headers: { cookie: "secret" },
		});

		expect(sandbox.requests()).toMatchObject([
			{ number: 1, destination: "crisp", method: "GET", headers: { authorization: "Basic ***" }, status: 200 },
			{ number: 2, destination: "helpcrunch", path: "/customers", headers: { authorization: "Bearer ***" } },
			{ number: 3, path: "/user/ada%40example.com", headers: { authorization: "***" }, status: 404 },
			{ number: 4, path: "/event", query: "a=1&b=?", body: "no JSON", headers: { cookie: "***" }, status: 401 },
		]);
		expect(sandbox.requests("vibetrace").map(({ number }) => number)).toEqual([3, 4]);
		expect(sandbox.requests()[2]).not.toHaveProperty("body");
		const text = JSON.stringify(sandbox.requests());
		for (const secret of [crisp.key, helpcrunch.apiKey, vibetrace.apiKey]) expect(text).not.toContain(secret);
	});

	test("with a body over the limit is refused and recorded", async () => {
		const { apiKey, baseUrl } = sandbox.destinations.vibetrace;
		const response = await fetch(`${baseUrl}/event`, {
			method: "POST",
			headers: { authorization: apiKey, "content-type": "application/json" },
			body: JSON.stringify("x".repeat(1_100_000)),
		});
		expect(response.status).toBe(413);
		expect(sandbox.requests()).toMatchObject([{ path: "/event", status: 413 }]);
	});

	test("reaches each listener once, after its answer", async () => {
		const heard: SandboxRequest[] = [];
		const stop = sandbox.onRequest((request) => heard.push(request));
		await getAda();
		stop();
		await getAda();
		expect(heard).toMatchObject([{ number: 1, status: 404 }]);
	});
});

describe("until", () => {
	test("resolves at once if the condition already holds", async () => {
		await getAda();
		expect(await sandbox.until((requests) => requests.length === 1)).toHaveLength(1);
	});

	test("resolves with the request that fulfils the condition, once it is answered and recorded", async () => {
		const { apiKey, baseUrl } = sandbox.destinations.vibetrace;
		const seen: unknown[] = [];
		const waited = sandbox.until(
			(requests) => {
				seen.push(requests.map(({ status }) => [status, sandbox.people("vibetrace").length]));
				return requests.length > 0;
			},
			{ destination: "vibetrace" },
		);
		await fetch(`${baseUrl}/user`, {
			method: "POST",
			headers: { authorization: apiKey, "content-type": "application/json" },
			body: JSON.stringify({ email: "ada@example.com" }),
		});
		expect(await waited).toHaveLength(1);
		expect(seen).toEqual([[], [[200, 1]]]);
	});

	test("sees a request whose answer is delayed", async () => {
		sandbox.fault("vibetrace", { delayMs: 60_000 });
		const abort = new AbortController();
		const asked = getAda({ signal: abort.signal });
		const [held] = await sandbox.until((requests) => requests.length === 1);
		expect(held).not.toHaveProperty("status");
		abort.abort();
		await expect(asked).rejects.toThrow("aborted");
	});

	test("rejects with the received requests after its time limit", async () => {
		await getAda();
		await expect(sandbox.until(() => false, { timeoutMs: 1 })).rejects.toThrow(
			/in 1 ms\. It received 1, most recently:\n1 vibetrace GET \/user\/ada%40example\.com 404/,
		);
	});

	test("rejects with the predicate's error, and when the sandbox stops", async () => {
		await expect(
			sandbox.until(() => {
				throw new Error("of the test");
			}),
		).rejects.toThrow("of the test");
		const waited = expect(sandbox.until(() => false)).rejects.toThrow("stopped");
		await sandbox.stop();
		await waited;
	});
});

describe("faults", () => {
	test("answer as set before the provider checks a request, and are recorded", async () => {
		sandbox.fault("vibetrace", { status: 503, retryAfter: 7, body: "<h1>Down</h1>", contentType: "text/html" });
		const response = await getAda({ headers: {} });
		expect(response.status).toBe(503);
		expect(response.headers.get("retry-after")).toBe("7");
		expect(response.headers.get("content-type")).toMatch("text/html");
		expect(await response.text()).toBe("<h1>Down</h1>");
		expect(sandbox.requests()).toMatchObject([{ status: 503 }]);
		expect((await listHelpcrunch()).status).toBe(200);
	});

	test("apply to the set number of requests, one fault after the other", async () => {
		sandbox.fault("vibetrace", { status: 500, times: 2 });
		sandbox.fault("vibetrace", { status: 429, times: 1 });
		const statuses = [];
		for (let i = 0; i < 4; i++) statuses.push((await getAda()).status);
		expect(statuses).toEqual([500, 500, 429, 404]);
	});

	test("last until cleared", async () => {
		const clear = sandbox.fault("vibetrace", { status: 500 });
		expect((await getAda()).status).toBe(500);
		expect((await getAda()).status).toBe(500);
		clear();
		expect((await getAda()).status).toBe(404);
	});

	test("can be limited to paths and methods", async () => {
		sandbox.fault("vibetrace", { status: 500, path: /ada%40/g, method: "put" });
		expect((await getAda()).status).toBe(404);
		expect((await getAda({ method: "PUT" })).status).toBe(500);
		expect((await getAda({ method: "PUT" })).status).toBe(500);
		sandbox.clear();
		sandbox.fault("vibetrace", { status: 500, path: /eve/ });
		expect((await getAda()).status).toBe(404);
	});

	test("can redirect", async () => {
		sandbox.fault("vibetrace", { status: 302, headers: { location: `${sandbox.url}/elsewhere` } });
		const response = await getAda();
		expect([response.status, response.headers.get("location")]).toEqual([302, `${sandbox.url}/elsewhere`]);
	});

	test("can answer with an empty 204 and an unreadable 200", async () => {
		sandbox.fault("vibetrace", { status: 204, times: 1 });
		expect((await getAda()).status).toBe(204);
		sandbox.fault("vibetrace", { body: "not JSON", times: 1 });
		expect(await (await getAda()).text()).toBe("not JSON");
	});

	test("can delay the provider's answer", async () => {
		sandbox.fault("vibetrace", { delayMs: 40 });
		const startedAt = performance.now();
		expect((await getAda()).status).toBe(404);
		expect(performance.now() - startedAt).toBeGreaterThan(35);
	});

	test("can end the connection without an answer", async () => {
		sandbox.fault("vibetrace", { reset: true, times: 1 });
		await expect(getAda()).rejects.toThrow("fetch failed");
		const requests = await sandbox.until((received) => received.length === 1);
		expect(requests[0]).not.toHaveProperty("status");
		expect((await getAda()).status).toBe(404);
	});
});

describe("limits", () => {
	test("HelpCrunch refuses requests beyond its limit per minute", async () => {
		vi.useFakeTimers({ toFake: ["Date"] });
		const statuses = [(await listHelpcrunch()).status, (await listHelpcrunch()).status];
		const refused = await listHelpcrunch();
		expect([...statuses, refused.status]).toEqual([200, 200, 429]);
		expect(await refused.json()).toEqual({
			errors: [
				{ code: "invalid_request", message: "Invalid request" },
				{ code: "too_many_requests", message: "Too many requests" },
			],
		});
		vi.setSystemTime(Date.now() + 60_000);
		expect((await listHelpcrunch()).status).toBe(200);
	});

	test("Crisp refuses requests beyond its limit per day", async () => {
		vi.useFakeTimers({ toFake: ["Date"] });
		const statuses = [(await listCrisp()).status, (await listCrisp()).status];
		const refused = await listCrisp();
		expect([...statuses, refused.status]).toEqual([200, 200, 429]);
		expect(await refused.json()).toMatchObject({ error: true });
		vi.setSystemTime(Date.now() + 86_400_000);
		expect((await listCrisp()).status).toBe(200);
	});
});

describe("people", () => {
	test("can be added and removed", async () => {
		const id = sandbox.addPerson("helpcrunch", {
			email: "ada@example.com",
			userId: "u-1",
			attributes: { plan: "pro" },
		});
		expect(id).toEqual(expect.any(Number));
		expect(sandbox.addPerson("crisp", { email: "ada@example.com" })).toEqual(expect.any(String));
		expect(sandbox.people("helpcrunch")).toMatchObject([
			{ id, email: "ada@example.com", userId: "u-1", attributes: { plan: "pro" }, events: [] },
		]);
		sandbox.removePerson("helpcrunch", "ADA@example.com");
		expect(sandbox.people("helpcrunch")).toEqual([]);
		expect(sandbox.people("crisp")).toHaveLength(1);
	});

	test("are deleted by clear(), with requests, faults and limits", async () => {
		sandbox.addPerson("vibetrace", { email: "ada@example.com" });
		sandbox.fault("vibetrace", { status: 500 });
		for (let i = 0; i < 3; i++) await listHelpcrunch();
		sandbox.clear();
		expect(sandbox.requests()).toEqual([]);
		expect((await getAda()).status).toBe(404);
		expect((await listHelpcrunch()).status).toBe(200);
	});

	test("are behind credentials that differ from sandbox to sandbox", async () => {
		const otherSandbox = await startSandbox();
		expect(otherSandbox.destinations.vibetrace.apiKey).not.toBe(sandbox.destinations.vibetrace.apiKey);
		await otherSandbox.stop();
		await otherSandbox.stop();
		await expect(fetch(otherSandbox.url)).rejects.toThrow("fetch failed");
	});
});

describe("the shop page", () => {
	let url: string;
	let close: () => void;
	beforeEach(async () => {
		const writeKey = `site_"><script>alert(1)</script>$&`;
		const server = createServer(express().use(sandboxPage({ sandbox, writeKey }))).listen(0, "127.0.0.1");
		await once(server, "listening");
		const address = server.address();
		url = typeof address === "object" ? `http://127.0.0.1:${address?.port}` : "";
		close = () => {
			server.close();
			server.closeAllConnections();
		};
	});
	afterEach(() => close());

	test("contains the snippet with the write key escaped", async () => {
		const response = await fetch(url);
		expect(response.headers.get("content-security-policy")).toContain("default-src 'self'");
		const html = await response.text();
		expect(html).toContain('data-write-key="site_&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;$&amp;"');
		expect(html).not.toMatch(/<script>|style=|\son\w+=|https?:/);
	});

	test.each(["shop.css", "shop.js", "switches.js", "shop.svg"])("serves %s and nothing beside it", async (file) => {
		expect((await fetch(`${url}/sandbox/${file}`)).status).toBe(200);
		expect((await fetch(`${url}/sandbox/shop.html`)).status).toBe(404);
	});

	const throwSwitch = (body: unknown, type = "application/json") =>
		fetch(`${url}/sandbox/switches`, { method: "POST", headers: { "content-type": type }, body: JSON.stringify(body) });

	test("has switches that make a provider fail until they are off", async () => {
		const works = { crisp: "none", helpcrunch: "none", vibetrace: "none" };
		expect(await (await fetch(`${url}/sandbox/switches`)).json()).toEqual(works);
		const outcomes: unknown[] = [];
		for (const trouble of ["outage", "limit", "refused", "none"]) {
			const on = await throwSwitch({ destination: "vibetrace", trouble });
			expect(await on.json()).toEqual({ ...works, vibetrace: trouble });
			const answer = await getAda();
			outcomes.push([answer.status, answer.headers.get("retry-after")]);
		}
		expect(outcomes).toEqual([
			[503, null],
			[429, "20"],
			[401, null],
			[404, null],
		]);
		await throwSwitch({ destination: "vibetrace", trouble: "slow" });
		const startedAt = performance.now();
		await getAda();
		expect(performance.now() - startedAt).toBeGreaterThan(3_900);
		expect((await listHelpcrunch()).status).toBe(200);
	});

	test("takes only switches that it has, and none from a page of another origin", async () => {
		for (const body of [
			{},
			[],
			{ destination: "crisp", trouble: "fire" },
			{ destination: "__proto__", trouble: "slow" },
		])
			expect((await throwSwitch(body)).status).toBe(400);
		// A page can send text across origins without asking first.
		expect((await throwSwitch({ destination: "vibetrace", trouble: "outage" }, "text/plain")).status).toBe(400);
		expect((await getAda()).status).toBe(404);
		const asked = await fetch(`${url}/sandbox/switches`, {
			method: "OPTIONS",
			headers: { origin: "https://evil.example" },
		});
		expect(asked.headers.get("access-control-allow-origin")).toBeNull();
	});

	test("has a log that replays received requests, goes on live, masks credentials and ends with the sandbox", async () => {
		await getAda();
		const response = await fetch(`${url}/sandbox/log`);
		expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
		sandbox.fault("vibetrace", { status: 500 });
		await getAda();
		await sandbox.stop();
		const text = await response.text();
		const requests = text.split("\n\n").flatMap((line) => (line ? [JSON.parse(line.replace("data: ", ""))] : []));
		expect(requests).toMatchObject([
			{ number: 1, destination: "vibetrace", path: "/user/ada%40example.com", status: 404 },
			{ number: 2, status: 500, headers: { authorization: "***" } },
		]);
		expect(text).not.toContain(sandbox.destinations.vibetrace.apiKey);
	});
});
