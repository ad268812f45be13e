import { connect } from "node:net";
import { text } from "node:stream/consumers";
import compression from "compression";
import express, { type ErrorRequestHandler, type Express, Router } from "express";
import helmet from "helmet";
import { register } from "prom-client";
import { afterEach, describe, expect, test } from "vitest";
import { batchOf, event, origin, problemOf, type RunningProxy, runProxy, serverKey } from "../support/proxy.ts";

let running: RunningProxy;
afterEach(() => running.stop());

/** Returns all settings of an app as text. */
const settingsOf = (app: Express) =>
	Object.fromEntries(Object.entries(app.settings).map(([name, value]) => [name, String(value)]));
const hostError: ErrorRequestHandler = (error, _request, response, _next) => {
	response.status(500).send(`host: ${error.message}`);
};
const rootOf = ({ url }: RunningProxy) => new URL(url).origin;

describe("a proxy mounted in an app with its own settings and middleware", () => {
	/** Mounts it in a typical app: JSON bodies, compression, security headers, a trusted proxy, other settings. */
	async function mount() {
		const app = express();
		app.set("trust proxy", true).set("query parser", false).set("etag", false).set("json spaces", 2);
		app.use(helmet(), compression({ threshold: 0 }), express.json(), express.urlencoded({ extended: true }));
		const before = settingsOf(app);
		running = await runProxy({ base: "/shop/ferry", app });
		app.use(express.text());
		app.post("/echo", (request, response) => void response.json(request.body));
		app.get("/query", (request, response) => void response.json({ query: request.query, ip: request.ip }));
		app.get("/boom", () => {
			throw new Error("boom");
		});
		app.use(hostError);
		return { app, before };
	}

	test("accepts events in either media type, and delivers them", async () => {
		await mount();
		for (const type of ["application/json", "text/plain"]) {
			expect((await running.post(batchOf(event()), { "content-type": type })).status, type).toBe(202);
		}
		await running.settled(2);
		expect(running.sandbox.people("crisp")).toHaveLength(2);
	});

	test("gives its usual answers: problems, the script, the operators' routes", async () => {
		await mount();
		expect(await problemOf(await running.post("{}"))).toMatchObject({ code: "malformed_body" });
		expect(await problemOf(await fetch(`${running.url}/v1/nothing`))).toMatchObject({ code: "not_found" });
		const script = await fetch(`${running.url}/client.js`, { headers: { "accept-encoding": "gzip" } });
		expect([script.headers.get("content-encoding"), script.headers.get("etag")]).toEqual([
			"gzip",
			expect.stringMatching(/-gzip"$/),
		]);
		expect(await script.text()).toContain("eventferry");
		expect(script.headers.get("cross-origin-resource-policy")).toBe("cross-origin");
		expect((await running.admin("/stats")).status).toBe(200);
		expect(await (await fetch(`${running.url}/readyz`)).json()).toMatchObject({ store: "ok" });
	});

	test("reads operators' queries whatever the app does with queries", async () => {
		await mount();
		running.sandbox.fault("crisp", { status: 400 });
		await running.batch(event(), event());
		await running.settled(2);
		const countOf = async (query: string) => (await (await running.admin(`/deadletters?${query}`)).json()).items.length;
		expect([
			await countOf("limit=1"),
			await countOf("destination=vibetrace"),
			await countOf("reason=http_400"),
		]).toEqual([1, 0, 2]);
	});

	test("takes no body for one, also where the app's parser has made {} of it, as Express 4's does", async () => {
		const app = express();
		app.use(express.json(), (request, _response, next) => {
			request.body ??= {};
			next();
		});
		running = await runProxy({ base: "/ferry", app });
		for (const [method, path] of [
			["DELETE", "/deadletters"],
			["POST", "/deadletters/replay"],
			["POST", "/search"],
		] as const)
			expect(await problemOf(await running.admin(path, { method })), path).toMatchObject({ code: "malformed_body" });
		const headers = { authorization: `Bearer ${serverKey}` };
		const forget = await fetch(`${running.url}/v1/people`, { method: "DELETE", headers });
		expect(await problemOf(forget)).toMatchObject({ status: 400, code: "malformed_body" });
	});

	test("leaves the app's settings, routes, bodies, queries and errors unchanged", async () => {
		const { app, before } = await mount();
		await running.batch(event());
		await running.post("{");
		await running.admin("/stats");
		expect(settingsOf(app)).toEqual(before);
		const textAt = async (path: string, init: RequestInit = {}) => (await fetch(rootOf(running) + path, init)).text();
		const body = '{"a":1}';
		const json = { method: "POST", headers: { "content-type": "application/json" }, body };
		expect(JSON.parse(await textAt("/echo", json))).toEqual({ a: 1 });
		expect(JSON.parse(await textAt("/echo", { method: "POST", body: "x" }))).toBe("x");
		const { query, ip } = JSON.parse(await textAt("/query?a=1", { headers: { "x-forwarded-for": "203.0.113.9" } }));
		expect([query, ip]).toEqual([{}, "203.0.113.9"]);
		expect(await textAt("/boom")).toBe("host: boom");
		expect(await textAt("/shop/ferry/of-the-app")).toContain("Cannot GET /shop/ferry/of-the-app");
		expect(await register.getMetricsAsJSON()).toEqual([]);
	});

	test("does not trust forwarded addresses just because the app does", async () => {
		await mount();
		await running.stop();
		const app = express().set("trust proxy", true);
		running = await runProxy({ app, config: { rateLimit: { perAddress: 1 } } });
		const from = (address: string) => running.post(batchOf(event()), { "x-forwarded-for": address });
		expect([(await from("203.0.113.1")).status, (await from("203.0.113.2")).status]).toEqual([202, 429]);
	});
});

test("a proxy may be mounted in nested routers, and behind a path parameter", async () => {
	const app = express();
	const inner = Router({ mergeParams: true });
	app.use("/:tenant", Router().use("/events", inner));
	running = await runProxy({ app: inner as unknown as Express });
	const served = express().use(app);
	const server = served.listen(0);
	const address = server.address();
	const root = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}/acme/events`;
	const response = await fetch(`${root}/v1/batch`, {
		method: "POST",
		headers: { origin, "content-type": "text/plain", "user-agent": "Mozilla/5.0 Chrome/147.0.0.0" },
		body: JSON.stringify(batchOf(event())),
	});
	expect(response.status).toBe(202);
	expect((await fetch(`${root}/client.js`)).status).toBe(200);
	server.close();
});

describe("requests sent at once on a connection", () => {
	/** Sends requests without waiting for answers. Resolves to the statuses once the connection is closed. */
	async function statusesOf(paths: string[]): Promise<string[]> {
		const socket = connect(Number(new URL(running.url).port), "127.0.0.1").on("error", () => {});
		const requests = paths.map((path, n) => {
			const connection = n === paths.length - 1 ? "close" : "keep-alive";
			return `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`;
		});
		socket.write(requests.join(""));
		return (await text(socket).catch(() => "")).match(/(?<=HTTP\/1\.1 )\d+/g) ?? [];
	}

	test("are answered in order, after the app's own", async () => {
		const app = express();
		app.get("/slow", (_request, response) => void setTimeout(() => response.status(201).send("slow"), 50));
		running = await runProxy({ base: "/ferry", app });
		const paths = ["/slow", "/ferry/healthz", "/ferry/v1/nothing", "/slow", "/ferry/client.js"];
		expect(await statusesOf(paths)).toEqual(["201", "200", "404", "201", "200"]);
	});

	test("close it if they are many", async () => {
		running = await runProxy({ base: "/ferry" });
		expect((await statusesOf(Array<string>(200).fill("/ferry/client.js"))).length).toBeLessThan(10);
		expect((await running.batch(event())).accepted).toBe(1);
	});
});

test("a body parser of the app that refuses a body gives its own answer, with which the browser keeps its events", async () => {
	const app = express().use(express.json({ limit: 100, type: "*/*" }));
	running = await runProxy({ base: "/ferry", app });
	app.use(((error, _request, response, _next) => {
		response.status(error.status).send("host");
	}) satisfies ErrorRequestHandler);
	const response = await running.post(batchOf(event()));
	expect([response.status, await response.text()]).toEqual([413, "host"]);
});

test("two proxies in one process are independent", async () => {
	running = await runProxy({ base: "/one" });
	const other = await runProxy({ base: "/two" });
	await other.batch(event());
	await other.settled(1);
	expect((await (await running.admin("/stats")).json()).events).toBe(0);
	const metrics = async (each: RunningProxy) => (await fetch(`${each.url}/metrics`)).text();
	expect(await metrics(running)).not.toEqual(await metrics(other));
	await other.stop();
});
