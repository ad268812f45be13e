import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import { delivered, environment, postEvents, type Served, serve, temporaryFolder, track } from "../support/served.ts";

const folder = temporaryFolder();
let sandbox: Sandbox;
let proxy: Served;
let stderr = "";
beforeAll(async () => {
	sandbox = await startSandbox();
	const env = { ...environment(sandbox), EVENTFERRY_LOG_LEVEL: "debug" };
	proxy = await serve(env, ["--store", `sqlite:${folder.path}/store.db`]);
	proxy.process.stderr?.on("data", (chunk) => {
		stderr += chunk;
	});
});
afterAll(async () => {
	await proxy.stop();
	await sandbox.stop();
	folder.remove();
});

interface Line {
	msg: string;
	level: number;
	requestId?: string;
	method?: string;
	path?: string;
	status?: number;
	code?: string;
	ms?: number;
}
const lines = (): Line[] =>
	stderr
		.split("\n")
		.filter(Boolean)
		.map((line) => JSON.parse(line));
const patience = { timeout: 60_000 };
/** Resolves to the log line of the request with this id. */
const lineOf = (id: string | null) =>
	vi.waitFor(() => {
		const line = lines().find(({ requestId }) => requestId === id);
		if (!line) throw new Error(`no line of ${id}`);
		return line;
	}, patience);

it("each request has a line with its id, method, path, status and duration", async () => {
	const response = await postEvents(proxy.url, [track("a")]);
	expect(await lineOf(response.headers.get("x-request-id"))).toMatchObject({
		msg: "answered",
		level: 20,
		method: "POST",
		path: "/v1/events",
		status: 202,
		ms: expect.any(Number),
	});
});

it("a refusal is logged with its code, once a minute at info and otherwise at debug", async () => {
	const refusals = await Promise.all(Array.from({ length: 3 }, () => fetch(`${proxy.url}/admin/stats`)));
	const found = await Promise.all(refusals.map(({ headers }) => lineOf(headers.get("x-request-id"))));
	expect(found.map(({ code, status }) => [code, status])).toEqual(refusals.map(() => ["invalid_admin_token", 401]));
	expect(found.map(({ level }) => level).sort()).toEqual([20, 20, 30]);
});

it("a request whose sender goes away before the answer has a line too", async () => {
	const { hostname, port } = new URL(proxy.url);
	const socket = connect(Number(port), hostname);
	await once(socket, "connect");
	socket.end(
		"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer server-key\r\nX-Request-Id: gone\r\nContent-Length: 9\r\n\r\n{",
	);
	expect(await lineOf("gone")).toMatchObject({ path: "/v1/events" });
});

it("no line holds an e-mail, a body, a token, a key or a query, even at debug", async () => {
	const person = { email: "grace@example.com" };
	sandbox.fault("crisp", { status: 400, body: { error: true, reason: "bad grace@example.com" }, times: 1 });
	await postEvents(proxy.url, [track("secret-name", { person, data: { card: "4111" } })]);
	for (const path of ["/v1/open.gif?t=eyJhbGciOi.eyJl.x", "/v1/hooks/x?key=hook-key", "/admin/grace@example.com?x=1"])
		await fetch(proxy.url + path, { headers: { authorization: "Bearer admin-token" } });
	await fetch(`${proxy.url}/v1/batch`, {
		method: "POST",
		headers: { "content-type": "text/plain", origin: "https://shop.example" },
		body: `{"writeKey":"site_test","email":grace@example.com`,
	});
	const last = await fetch(`${proxy.url}/v1/batch?last=1`, { method: "POST" });
	await delivered(proxy.url);
	await lineOf(last.headers.get("x-request-id"));
	await vi.waitFor(() => expect(lines().some(({ msg }) => msg.includes("became a dead letter"))).toBe(true), {
		timeout: 60_000,
	});
	for (const secret of [
		/grace/,
		/example\.com/,
		/4111/,
		/secret-name/,
		/eyJ/,
		/hook-key/,
		/-token/,
		/server-key/,
		/site_test/,
		/last=1/,
	])
		expect(stderr).not.toMatch(secret);
	expect(stderr).toContain("/v1/hooks/x");
});
