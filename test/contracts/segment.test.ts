import { randomUUID } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it, test, vi } from "vitest";
import type { SandboxDestinations } from "../../server/sandbox/index.ts";
import { startPostgres } from "../support/postgres.ts";
import { browserAgent, origin, problemOf, type RunningProxy, runProxy, serverKey, writeKey } from "../support/proxy.ts";

let running: RunningProxy;
afterEach(() => running.stop());

const basic = (user: string, password = "") => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
/** Calls of the backend, by default as a batch. */
const backend = (body: unknown, path = "batch", headers: Record<string, string | undefined> = {}) =>
	running.post(
		body,
		{ origin: undefined, "user-agent": "analytics-node/1.0", authorization: basic(serverKey), ...headers },
		`/segment/v1/${path}`,
	);
const page = (body: object, path = "track", headers: Record<string, string | undefined> = {}) =>
	running.post({ writeKey, ...body }, { "content-type": "text/plain", ...headers }, `/segment/v1/${path}`);
const batch = (...calls: object[]) => ({ batch: calls, sentAt: new Date().toISOString() });
const track = (more: object = {}) => ({ type: "track", event: "Signed Up", messageId: randomUUID(), ...more });
const identify = (userId: string, email: string, more: object = {}) => ({
	type: "identify",
	userId,
	traits: { email },
	...more,
});
const ada = { traits: { email: "ada@example.com" } };

async function isSuccess(response: Response) {
	expect([response.status, await response.text()]).toEqual([200, '{"success":true}']);
	expect(response.headers.get("content-type")).toMatch(/^application\/json/);
}
/** Reads a counter of the metrics, 0 if it was never counted. */
async function counted(name: string): Promise<number> {
	const text = await (await fetch(`${running.url}/metrics`)).text();
	return Number(
		text
			.split("\n")
			.find((line) => line.startsWith(`${name} `))
			?.split(" ")
			.at(-1) ?? 0,
	);
}
const unused = (reason: string) => counted(`eventferry_segment_calls_unused_total{reason="${reason}"}`);
const rejected = (code: string) => counted(`eventferry_events_rejected_total{code="${code}"}`);
/** Lists the person and the text of each event that Crisp got, in order. */
const atCrisp = ({ sandbox }: Pick<RunningProxy, "sandbox"> = running) =>
	sandbox.requests("crisp").flatMap(({ path, body, status = 0 }) => {
		const [, person] = /\/people\/events\/([^/]+)$/.exec(path) ?? [];
		return person && status < 300 ? [`${decodeURIComponent(person)} ${(body as { text: string }).text}`] : [];
	});
/** Gives a site accounts at every destination. */
const all = (destinations: SandboxDestinations) => destinations;

describe("a backend", () => {
	it.each(["batch", "b"])("is answered as by Segment, at %s, once its events are on disk", async (path) => {
		running = await runProxy({ site: all });
		await isSuccess(
			await backend(
				batch(track(ada), identify("u-1", "bob@example.com", { context: { traits: { plan: "pro" } } })),
				path,
			),
		);
		await running.sandbox.waitFor({ destination: "crisp", person: { email: "ada@example.com" }, name: "Signed Up" });
		const login = { type: "login", data: { plan: "pro" } } as const;
		await running.sandbox.waitFor({ destination: "crisp", person: { email: "bob@example.com" }, ...login });
	});

	it.each([
		["identify", { traits: { email: "ada@example.com", plan: "pro" } }, { type: "login", data: { plan: "pro" } }],
		["i", { traits: { email: "ada@example.com", plan: "pro" } }, { type: "login", data: { plan: "pro" } }],
		[
			"track",
			{ ...ada, event: "Signed Up", properties: { plan: "pro" } },
			{ name: "Signed Up", data: { plan: "pro" } },
		],
		["t", { ...ada, event: "Signed Up" }, { name: "Signed Up" }],
		[
			"track",
			{ ...ada, event: "Order Completed", properties: { order_id: "A-1", total: 9.5 } },
			{ type: "confirmation", data: { orderId: "A-1", total: 9.5 } },
		],
	])("sends one call to %s", async (path, body, event) => {
		running = await runProxy();
		await isSuccess(await backend(body, path));
		await running.sandbox.waitFor({ destination: "crisp", person: { email: "ada@example.com" }, ...event } as never);
	});

	it("sends page views and screens, which go where they are listed", async () => {
		running = await runProxy({ site: ({ crisp }) => ({ crisp: { ...crisp, events: ["page"] } }) });
		for (const path of ["page", "p", "screen"])
			await isSuccess(await backend({ ...ada, name: "Home", properties: { a: 1 } }, path));
		await running.settled(3);
		expect(atCrisp()).toEqual(Array(3).fill("ada@example.com page"));
	});

	it("may send as any type, with any encoding that /v1/batch takes, and with a byte order mark", async () => {
		running = await runProxy();
		const bytes = gzipSync(JSON.stringify(batch(track(ada))));
		const zipped = { "content-encoding": "gzip", "content-type": "application/x-www-form-urlencoded" };
		await isSuccess(await backend(bytes, "batch", zipped));
		await isSuccess(await backend(`\ufeff${JSON.stringify(batch(track(ada)))}`, "batch", { "content-type": "text/x" }));
		await running.settled(2);
	});

	it("sends a message twice without harm", async () => {
		running = await runProxy();
		const call = track({ ...ada, messageId: "node-next-1795929492393" });
		for (const _ of [1, 2]) await isSuccess(await backend(batch(call)));
		expect((await running.settled(2)).discarded).toEqual({ duplicate: 1 });
		expect(atCrisp()).toHaveLength(1);
	});

	it("is told 200 of calls that are of no use, which are counted by the reason and cost the others nothing", async () => {
		running = await runProxy();
		const calls = [
			{ type: "group", userId: "u", groupId: "g", traits: {} },
			{ type: "alias", userId: "u", previousId: "v" },
			{ type: "screen", userId: "u" },
			{ type: "constructor" },
			null,
			[],
			"track",
			track({ anonymousId: "a-1" }),
			track({ userId: "" }),
			track({ ...ada, event: undefined }),
			track({ ...ada, event: "x".repeat(121) }),
			track({ ...ada, properties: { text: "x".repeat(20_000) } }),
			track({ ...ada, properties: JSON.parse('{"__proto__":{"polluted":1}}') }),
			track({ ...ada, properties: { a: { b: { c: { d: { e: {} } } } } } }),
			track({ ...ada, timestamp: "2001-01-01T00:00:00Z" }),
			track(ada),
		];
		await isSuccess(await backend({ batch: calls }));
		for (const path of ["group", "alias", "screen", "g", "a", "s"])
			await isSuccess(await backend({ userId: "u" }, path));
		await running.settled(1);
		expect(atCrisp()).toEqual(["ada@example.com Signed Up"]);
		const reasons = ["group", "alias", "screen_without_name", "unknown_type"];
		expect(await Promise.all(reasons.map(unused))).toEqual([3, 3, 3, 4]);
		const codes = ["identity_required", "event_too_large", "invalid_event"];
		expect(await Promise.all(codes.map(rejected))).toEqual([2, 1, 5]);
	});

	it("sends 512 KB and 2,500 calls at most", async () => {
		running = await runProxy();
		const sized = (bytes: number) => {
			const calls = Array.from({ length: 40 }, () => track({ ...ada, properties: { text: "" } }));
			const missing = bytes - JSON.stringify({ batch: calls, pad: "" }).length;
			return JSON.stringify({ batch: calls, pad: "x".repeat(missing) });
		};
		await isSuccess(await backend(sized(524_288)));
		for (const body of [sized(524_289), gzipSync(sized(524_289)), gzipSync(Buffer.alloc(50_000_000))]) {
			const zipped = typeof body === "string" ? {} : { "content-encoding": "gzip" };
			const response = await backend(body, "batch", zipped);
			expect([response.status, (await problemOf(response)).code]).toEqual([413, "body_too_large"]);
		}
		const many = (count: number) => batch(...Array.from({ length: count }, (_, n) => track({ userId: `u${n}` })));
		await isSuccess(await backend(many(2_500)));
		const response = await backend(many(2_501));
		expect([response.status, (await problemOf(response)).code]).toEqual([400, "malformed_body"]);
		expect((await running.settled(2_540)).events).toBe(2_540);
	});

	it("keeps the order of a large batch", async () => {
		running = await runProxy({ site: ({ crisp }) => ({ crisp: { ...crisp, budget: 10_000 } }) });
		const names = Array.from({ length: 250 }, (_, n) => `event ${n}`);
		await isSuccess(await backend(batch(...names.map((event) => track({ ...ada, event })))));
		await running.settled(250);
		expect(atCrisp()).toEqual(names.map((name) => `ada@example.com ${name}`));
	});

	it("is trusted, and corrected by its clock", async () => {
		running = await runProxy({ site: { attributes: ["plan"] } });
		const hour = 3_600_000;
		const [sentAt, timestamp] = [-2 * hour, -3 * hour].map((past) => new Date(Date.now() + past).toISOString());
		await isSuccess(
			await backend({
				sentAt,
				batch: [
					track({ ...ada, timestamp }),
					identify("u", "bob@example.com", { traits: { email: "bob@example.com", vip: "yes" } }),
				],
			}),
		);
		const [event] = await Promise.all([
			running.sandbox.waitFor({ destination: "crisp", person: { email: "ada@example.com" }, name: "Signed Up" }),
			running.sandbox.waitFor({
				destination: "crisp",
				person: { email: "bob@example.com" },
				type: "login",
				data: { vip: "yes" },
			}),
		]);
		expect(Math.abs(Date.parse(String(event.event?.data?.occurred_at)) - (Date.now() - hour))).toBeLessThan(60_000);
	});
});

describe("the e-mail of a userId", () => {
	const tracks = (userId: unknown, event: string, more: object = {}) => track({ userId, event, ...more });

	it("is that of the last identify, in the same batch, in later ones, and after a restart", async () => {
		running = await runProxy({ site: { helpcrunch: undefined } });
		await isSuccess(
			await backend(
				batch(
					tracks("u-1", "before"),
					identify("u-1", "Ada@Example.com"),
					tracks("u-1", "one"),
					tracks("u-2", "nobody's"),
					identify("u-1", "ada@new.example"),
					tracks("u-1", "two"),
				),
			),
		);
		await isSuccess(await backend(tracks("u-1", "three"), "track"));
		await running.proxy.stop();
		await running.proxy.start();
		await isSuccess(await backend(tracks("u-1", "four"), "t"));
		await isSuccess(await backend({ userId: "u-1", traits: { plan: "pro" } }, "identify"));
		await isSuccess(await backend(tracks("u-1", "five"), "t"));
		await running.settled(10);
		expect(atCrisp().sort()).toEqual(
			[
				"ada@example.com one",
				// The event before the first identify has the e-mail that is known by the end of its batch.
				"ada@new.example before",
				...["two", "three", "four", "five"].map((name) => `ada@new.example ${name}`),
			].sort(),
		);
		expect((await running.settled(10)).destinations.crisp?.discarded).toEqual({ not_addressable: 1 });
	});

	it("may be number or text", async () => {
		running = await runProxy();
		await isSuccess(await backend({ ...identify("", "ada@example.com"), userId: 7 }, "identify"));
		await isSuccess(await backend(tracks(" 7 ", "text"), "track"));
		await running.settled(2);
		expect(atCrisp()).toEqual(["ada@example.com text"]);
	});

	it("yields to the call's own, and counts before a userId that is an e-mail", async () => {
		running = await runProxy();
		await isSuccess(await backend(batch(tracks("old@example.com", "own"))));
		await isSuccess(await backend(batch(identify("old@example.com", "new@example.com"))));
		await isSuccess(
			await backend(
				batch(
					tracks("old@example.com", "linked"),
					tracks("old@example.com", "said", { context: { traits: { email: "said@example.com" } } }),
				),
			),
		);
		await running.settled(4);
		expect(atCrisp().sort()).toEqual(["new@example.com linked", "old@example.com own", "said@example.com said"]);
	});

	it.each([{ email: "ada@example.com" }, { userId: "u-1" }, { email: "x@example.com", userId: "u-1" }])(
		"is forgotten with %j",
		async (person) => {
			running = await runProxy();
			await isSuccess(await backend(batch(identify("u-1", "ada@example.com"), identify("u-2", "bob@example.com"))));
			await running.settled(2);
			const forgotten = await fetch(`${running.url}/v1/people`, {
				method: "DELETE",
				headers: { "content-type": "application/json", authorization: `Bearer ${serverKey}` },
				body: JSON.stringify(person),
			});
			expect(forgotten.status).toBe(200);
			await isSuccess(await backend(batch(tracks("u-1", "late"), tracks("u-2", "kept"))));
			const { destinations } = await running.settled(4);
			expect(atCrisp()).toEqual(["bob@example.com kept"]);
			expect(destinations.crisp?.discarded).toEqual({ not_addressable: 1 });
		},
	);

	it("is that of all proxies that share a PostgreSQL", async () => {
		const cluster = await startPostgres();
		const store = await cluster.database();
		running = await runProxy({ config: { store } });
		// One Crisp for both, as either may send the next request of an event.
		const { crisp } = running.sandbox.destinations;
		const other = await runProxy({ config: { store }, site: { crisp } });
		const headers = { origin: undefined, authorization: basic(serverKey) };
		await isSuccess(await backend(batch(identify("u-1", "ada@example.com"), identify("u-2", "bob@example.com"))));
		await isSuccess(await other.post(tracks("u-1", "elsewhere"), headers, "/segment/v1/track"));
		await isSuccess(await other.post(identify("u-2", "bob@new.example"), headers, "/segment/v1/identify"));
		await isSuccess(await backend(tracks("u-2", "here"), "track"));
		await running.settled(5);
		expect(atCrisp().sort()).toEqual(["ada@example.com elsewhere", "bob@new.example here"]);
		await other.stop();
		await running.proxy.stop();
		await cluster.stop();
	});

	it("is of one site only", async () => {
		const other = {
			writeKey: "site_other",
			origins: ["https://other.example"],
			serverKey: "another-server-key-5e1fb07d29c4a8e6",
		};
		running = await runProxy({ others: ({ crisp }) => [{ ...other, crisp }] });
		await isSuccess(await backend(identify("u-1", "ada@example.com"), "identify"));
		await isSuccess(await backend(tracks("u-1", "x"), "track", { authorization: basic(other.serverKey) }));
		await running.settled(2);
		expect(atCrisp()).toEqual([]);
	});
});

describe("a page", () => {
	it("sends calls with its write key, in the body or as the user of Basic", async () => {
		running = await runProxy();
		await isSuccess(await page(track(ada)));
		await isSuccess(await page({ ...track(ada), writeKey: undefined }, "t", { authorization: basic(writeKey) }));
		await isSuccess(await page(batch(track(ada)), "b", { "content-type": "application/json" }));
		await running.settled(3);
		expect(atCrisp()).toHaveLength(3);
	});

	it.each([
		["without a key", {}, { writeKey: undefined }, 401, "invalid_write_key"],
		["with a key that is no text", {}, { writeKey: 7 }, 401, "invalid_write_key"],
		["with an unknown key", {}, { writeKey: "site_nobody" }, 401, "invalid_write_key"],
		["with the server key in the body", {}, { writeKey: serverKey }, 401, "invalid_write_key"],
		["with an unknown key as the user of Basic", { authorization: basic("site_nobody") }, {}, 401, "invalid_write_key"],
		["with an empty user of Basic", { authorization: basic("") }, {}, 401, "invalid_write_key"],
		[
			"with the server key as the password of Basic",
			{ authorization: basic("", serverKey) },
			{},
			401,
			"invalid_write_key",
		],
		["without an origin", { origin: undefined }, {}, 403, "origin_not_allowed"],
		["of another site", { origin: "https://evil.example" }, {}, 403, "origin_not_allowed"],
		[
			"without an origin, with the key as the user of Basic",
			{ origin: undefined, authorization: basic(writeKey) },
			{},
			403,
			"origin_not_allowed",
		],
	])("is refused %s", async (_how, headers, body, status, code) => {
		running = await runProxy();
		const response = await page({ ...track(ada), ...body }, "track", headers);
		const text = await response.clone().text();
		expect([response.status, (await problemOf(response)).code]).toEqual([status, code]);
		expect(text).not.toMatch(/nobody|Signed Up|ada@|server-key/);
		await isSuccess(await page(track(ada)));
		expect((await running.settled(1)).events).toBe(1);
	});

	it.each([
		["{", "track"],
		["", "track"],
		["[]", "track"],
		["7", "batch"],
		['{"writeKey":"site_shop"}', "batch"],
		['{"writeKey":"site_shop","batch":{}}', "batch"],
		[`${"[".repeat(200_000)}${"]".repeat(200_000)}`, "batch"],
	])("is refused the body %.20s at %s as malformed", async (body, path) => {
		running = await runProxy();
		const response = await running.post(body, {}, `/segment/v1/${path}`);
		expect([response.status, (await problemOf(response)).code]).toEqual([400, "malformed_body"]);
	});

	it("may nest as deep as it likes in what nobody reads", async () => {
		running = await runProxy();
		const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
		const calls = ["context", "integrations", "messageId", "properties", "traits", "userId", "timestamp", "type"].map(
			(name) => `{"type":"track","event":"deep","${name}":${deep}}`,
		);
		for (const call of calls)
			await isSuccess(await running.post(`{"writeKey":"${writeKey}","batch":[${call}]}`, {}, "/segment/v1/batch"));
		await isSuccess(await page(track(ada)));
		await running.settled(1);
	});

	it("is never trusted, and never has what a backend said of a userId", async () => {
		running = await runProxy({ site: { attributes: ["plan"] } });
		await isSuccess(await backend(identify("u-1", "ada@example.com"), "identify"));
		await running.settled(1);
		// Neither learnt from pages nor told to them.
		await isSuccess(
			await page(
				identify("u-1", "eve@example.com", { traits: { email: "eve@example.com", vip: "yes", plan: "pro" } }),
				"identify",
			),
		);
		await isSuccess(await page({ ...track({ userId: "u-1", event: "Eve's" }) }));
		await isSuccess(await backend(track({ userId: "u-1", event: "Ada's" }), "track"));
		await running.settled(4);
		expect(atCrisp()).toEqual(["ada@example.com Ada's"]);
		const text = JSON.stringify(running.sandbox.requests("crisp"));
		expect(text).toContain("pro");
		expect(text).not.toContain("vip");
	});

	it("of a self-declared crawler is answered, and only counted", async () => {
		running = await runProxy();
		await isSuccess(await page(track(ada), "track", { "user-agent": "Googlebot/2.1" }));
		await isSuccess(await backend(batch(track(ada)), "batch", { "user-agent": "Googlebot/2.1" }));
		await running.settled(1);
		expect(await counted("eventferry_events_from_bots_total")).toBe(1);
	});

	it("has its userId as the e-mail if it is one", async () => {
		running = await runProxy();
		await isSuccess(await page(track({ userId: "Ada@Example.com" })));
		await running.settled(1);
		expect(atCrisp()).toEqual(["ada@example.com Signed Up"]);
	});

	it("needs a token among its traits where identities are verified, and is then named by it alone", async () => {
		const secret = "0123456789abcdef0123456789abcdef";
		running = await runProxy({ site: { identity: "verified", identitySecrets: [secret] } });
		const { signIdentity } = await import("../../server/index.ts");
		const token = await signIdentity({ email: "ada@example.com" }, { secret, expiresIn: 60 });
		await isSuccess(await page(track({ userId: "u", traits: { email: "bob@example.com" } })));
		await isSuccess(await page(track({ context: { traits: { token: `${token}x` } } })));
		await isSuccess(await page(track({ userId: "bob@example.com", context: { traits: { token } } })));
		await isSuccess(await page(track({ userId: "u", event: "Ada's", context: { traits: { token } } })));
		await isSuccess(await page({ type: "identify", traits: { token, plan: "pro" } }, "identify"));
		await running.settled(2);
		expect(atCrisp()).toEqual(["ada@example.com Ada's"]);
		expect(JSON.stringify(running.sandbox.requests("crisp"))).not.toContain(token);
		expect(await Promise.all(["identity_required", "invalid_identity_token"].map(rejected))).toEqual([1, 2]);
	});
});

describe("the limits", () => {
	it("of an address and of a write key count a large batch as the requests that it would be at /v1/batch", async () => {
		running = await runProxy({ config: { rateLimit: { perAddress: 10, bytesPerAddress: "10G" } } });
		const many = (count: number) => batch(...Array.from({ length: count }, () => track(ada)));
		await isSuccess(await page(many(100), "batch"));
		await isSuccess(await page(many(700), "batch"));
		const response = await page(many(300), "batch");
		expect([response.status, (await problemOf(response)).code]).toEqual([429, "rate_limited"]);
		await isSuccess(await backend(many(1_200)));
	});

	it("of a write key", async () => {
		running = await runProxy({ config: { rateLimit: { perWriteKey: 3, perAddress: 1_000, bytesPerAddress: "10G" } } });
		const many = (count: number) => batch(...Array.from({ length: count }, () => track(ada)));
		await isSuccess(await page(many(201), "batch"));
		expect((await page(track(ada))).status).toBe(429);
		await isSuccess(await backend(many(1)));
	});

	it("of wrong keys are shared with /v1/events", async () => {
		running = await runProxy({ config: { rateLimit: { perAddress: 3 } }, site: { serverKey: "short-key" } });
		for (let wrong = 0; wrong < 3; wrong += 1)
			expect((await backend(batch(), "batch", { authorization: basic("guess") })).status).toBe(401);
		for (const path of ["/v1/events", "/segment/v1/batch"]) {
			const authorization = path === "/v1/events" ? "Bearer short-key" : basic("short-key");
			expect((await running.post({ events: [], batch: [] }, { origin: undefined, authorization }, path)).status).toBe(
				429,
			);
		}
	});

	it("come before the body is read", async () => {
		running = await runProxy();
		const { port } = new URL(running.url);
		const { connect } = await import("node:net");
		for (const [headers, status] of [
			[`Authorization: ${basic("nobody")}\r\nContent-Length: 400000`, 401],
			[`Authorization: ${basic(serverKey)}\r\nContent-Length: 524289`, 413],
			["Content-Length: 524289", 413],
		] as const) {
			const socket = connect(Number(port), "127.0.0.1");
			socket.write(
				`POST /segment/v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${headers}\r\n\r\n`,
			);
			const [answer] = await new Promise<[Buffer]>((resolve) => socket.once("data", (data) => resolve([data])));
			expect(answer.toString()).toMatch(new RegExp(`^HTTP/1.1 ${status}`));
			socket.destroy();
		}
	});
});

describe("a browser", () => {
	it.each([
		["/segment/v1/track", "POST", "authorization"],
		["/segment/v1/page", "POST", "anonymousid,authorization,content-type,sentat"],
		["/segment/v1/b", "POST", "authorization,content-type,x-retry-count"],
		["/segment/sourceConfig/?writeKey=site_shop", "GET", "authorization"],
		["/segment/v1/projects/site_shop/settings", "GET", "content-type"],
	])("may send to %s by %s with the headers %s", async (path, method, asked) => {
		running = await runProxy();
		const ask = (from: string) =>
			fetch(running.url + path, {
				method: "OPTIONS",
				headers: { origin: from, "access-control-request-method": method, "access-control-request-headers": asked },
			});
		const { status, headers } = await ask(origin);
		expect([status, headers.get("access-control-allow-origin")]).toEqual([204, origin]);
		expect(headers.get("access-control-allow-methods")).toBe(method);
		const allowed = headers.get("access-control-allow-headers")?.split(", ") ?? [];
		expect(asked.split(",").filter((name) => !allowed.includes(name))).toEqual([]);
		const refused = await ask("https://evil.example");
		expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([403, null]);
	});

	it.each(["/segment/sourceConfig", "/segment/sourceConfig/", "/segment/v1/projects/KEY/settings"])(
		"is told the settings at %s by a write key only, and of no server key",
		async (path) => {
			running = await runProxy();
			const ask = (key: string) =>
				fetch(`${running.url}${path.replace("KEY", key)}?writeKey=${key}`, {
					headers: { origin, "user-agent": browserAgent },
				});
			const found = await ask(writeKey);
			expect([found.status, found.headers.get("access-control-allow-origin")]).toEqual([200, origin]);
			expect(await found.text()).toContain(writeKey);
			for (const key of [serverKey, "site_nobody", "__proto__"]) {
				const response = await ask(key);
				const text = await response.clone().text();
				expect([response.status, (await problemOf(response)).code]).toEqual([404, "not_found"]);
				expect(text).not.toContain(key);
			}
		},
	);
});

test("a batch of Segment's library for Node, which drops the path of its host, arrives at /v1/batch", async () => {
	running = await runProxy();
	const headers = { origin: undefined, authorization: basic(serverKey) };
	await isSuccess(await running.post(batch(track(ada)), headers));
	expect((await running.post(batch(track(ada)), { ...headers, authorization: basic("nobody") })).status).toBe(401);
	// A page may be behind the password of its own site.
	const reply = await running.post(
		{ writeKey, sentAt: Date.now(), events: [] },
		{ authorization: basic("staging", "x") },
	);
	expect(reply.status).toBe(202);
	await running.settled(1);
});

test("the door is closed while the proxy stops, and strict about its paths", async () => {
	running = await runProxy();
	for (const path of ["track/", "Track", "nothing", "", "batch/x"])
		expect((await backend(batch(track(ada)), path)).status, path).toBe(404);
	expect((await fetch(`${running.url}/segment/v1/track`)).status).toBe(405);
	await running.proxy.stop();
	const response = await backend(batch(track(ada)));
	expect([response.status, (await problemOf(response)).code]).toEqual([503, "store_unavailable"]);
	await running.proxy.start();
	await vi.waitFor(async () => isSuccess(await backend(batch(track(ada)))));
});
