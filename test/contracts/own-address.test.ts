import dns from "node:dns";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { syncBuiltinESMExports } from "node:module";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { Webhook } from "standardwebhooks";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { AddressDestination } from "../../server/destinations/destination.ts";
import { createOwn } from "../../server/destinations/own.ts";
import { loadConfig } from "../../server/index.ts";
import { event, origin, runProxy, writeKey } from "../support/proxy.ts";

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const closing: (() => void)[] = [];
afterEach(() => {
	for (const close of closing.splice(0)) close();
	vi.restoreAllMocks();
	syncBuiltinESMExports();
});

async function listen(listener: RequestListener): Promise<string> {
	const server = createServer(listener).listen(0, "127.0.0.1");
	await once(server, "listening");
	closing.push(() => {
		server.closeAllConnections();
		server.close();
	});
	return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const stored = { event: { ...event(), type: "track", name: "played" }, trusted: false, receivedAt: 0 } as never;
const never = new AbortController().signal;

function post(own: AddressDestination, signal = never) {
	const provider = createOwn("warehouse", own, () => {});
	const plan = provider.plan([stored], {}, 0);
	if (plan.kind !== "send") throw new Error(plan.kind);
	return provider.send(plan.request, signal);
}

describe("an address", () => {
	test("gets each event as a POST that the library of Standard Webhooks verifies", async () => {
		const received: { url: string | undefined; headers: IncomingHttpHeaders; body: string }[] = [];
		const url = await listen(async (request, response) => {
			let body = "";
			for await (const chunk of request) body += chunk;
			received.push({ url: request.url, headers: request.headers, body });
			response.writeHead(received.length === 1 ? 503 : 204).end();
		});
		const proxy = await runProxy({ site: { destinations: { warehouse: { url: `${url}/in?from=shop`, secret } } } });
		const sent = event({ data: { product: "Ünïcode ✓" } });
		await proxy.batch(sent);
		await proxy.settled(1);
		await proxy.stop();
		expect(received).toHaveLength(2);
		for (const { url, headers, body } of received) {
			expect(url).toBe("/in?from=shop");
			expect(headers).toMatchObject({ "content-type": "application/json", "webhook-id": sent.id });
			expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toMatchObject(sent);
			expect(() => new Webhook(secret).verify(`${body} `, headers as Record<string, string>)).toThrow();
		}
	});

	test("is named webhook where the environment names it", async () => {
		const env = {
			EVENTFERRY_WRITE_KEY: writeKey,
			EVENTFERRY_ORIGINS: origin,
			WEBHOOK_URL: "https://hooks.example/in",
			WEBHOOK_SECRET: secret,
		};
		const { sites } = await loadConfig({ file: false, env });
		expect(sites[0]?.destinations).toMatchObject({ webhook: { url: env.WEBHOOK_URL, secret } });
		const { WEBHOOK_URL: _, ...lone } = env;
		await expect(loadConfig({ file: false, env: lone })).rejects.toMatchObject({
			mistakes: [{ name: "WEBHOOK_URL", message: "is missing: an address that takes events by POST" }],
		});
	});

	test.each([
		[200, "", { kind: "delivered", status: 200 }],
		[204, "", { kind: "delivered", status: 204 }],
		[200, "x".repeat(1_000_000), { kind: "delivered", status: 200 }],
		[302, "", { kind: "rejected", reason: "http_302" }],
		[307, "", { kind: "rejected", reason: "http_307" }],
		[401, "", { kind: "paused", reason: "http_401" }],
		[408, "", { kind: "retry", reason: "http_408" }],
		[410, "gone for ada@example.com", { kind: "rejected", reason: "http_410", message: "gone for ***" }],
		[429, "", { kind: "wait", reason: "http_429", forMs: 7_000 }],
		[503, "", { kind: "retry", reason: "http_503", forMs: 7_000 }],
	])(
		"that answers %i is sent no further request, and the answer means what its status says",
		async (status, body, outcome) => {
			let requests = 0;
			const url = await listen((_request, response) => {
				requests += 1;
				response.writeHead(status, { "retry-after": "7", location: "/elsewhere" }).end(body);
			});
			expect(await post({ url })).toMatchObject(outcome);
			expect(requests).toBe(1);
		},
	);

	test("that cannot be reached, breaks off or is cut off by a stop is tried again", async () => {
		expect(await post({ url: "http://127.0.0.1:1" })).toEqual({
			kind: "retry",
			reason: "network",
			known: undefined,
			forMs: undefined,
		});
		const broken = await listen((request) => request.socket.destroy());
		expect(await post({ url: broken })).toMatchObject({ kind: "retry", reason: "network" });
		const silent = await listen(() => {});
		const stop = new AbortController();
		const stopped = post({ url: silent }, stop.signal);
		stop.abort();
		expect(await stopped).toMatchObject({ kind: "retry", reason: "stopped" });
	});

	test("in a private network is connected to only if that is allowed, whatever its name says", async () => {
		let connections = 0;
		const server = createTcpServer((socket) => {
			connections += 1;
			socket.destroy();
		}).listen(0, "127.0.0.1");
		await once(server, "listening");
		closing.push(() => server.close());
		const { port } = server.address() as AddressInfo;
		for (const address of ["127.0.0.1", "::ffff:127.0.0.1"]) {
			vi.spyOn(dns, "lookup").mockImplementation(((
				_name: string,
				options: { all?: boolean },
				callback: (...given: unknown[]) => void,
			) =>
				options.all
					? callback(null, [{ address, family: address.includes(":") ? 6 : 4 }])
					: callback(null, address, 4)) as never);
			syncBuiltinESMExports();
			const url = `https://hooks.example:${port}/in`;
			const before = connections;
			expect(await post({ url })).toMatchObject({ kind: "retry", reason: "private_address" });
			expect(connections).toBe(before);
			expect(await post({ url, allowPrivate: true })).toMatchObject({ kind: "retry", reason: "network" });
			expect(connections).toBe(before + 1);
		}
		expect(await post({ url: `https://10.0.0.1:${port}/in` })).toMatchObject({ reason: "private_address" });
	});
});

describe("a destination's configuration", () => {
	const mistakesOf = async (destinations: unknown) => {
		const defaults = { sites: [{ writeKey, origins: [origin], destinations }] };
		const error = await loadConfig({ file: false, env: {}, defaults }).then(
			() => undefined,
			(thrown) => thrown,
		);
		return Object.fromEntries(
			(error?.mistakes ?? []).map(({ name, message }: { name: string; message: string }) => [
				name.replace("sites[0].destinations.", ""),
				message,
			]),
		);
	};
	const send = () => new Response();

	test("is told all its mistakes at once, by their paths, without secrets", async () => {
		const mistakes = await mistakesOf({
			Slack: { send },
			crisp: { send },
			"a.b": { send },
			["x".repeat(33)]: { send },
			none: {},
			both: { url: "https://a.example", send, batch: 2 },
			list: { send, batch: 0, budget: 50, events: "track" },
			plan: { send, plan: send, batch: 2 },
			text: { send: "send", surplus: 1 },
			web: { url: "http://a.example", secret: "whsec_tooshort" },
			inner: { url: "https://10.0.0.1/x", allowPrivate: "yes" },
			file: { url: "file:///etc/passwd" },
			user: { url: "https://u:hunter2secret@a.example" },
			fragment: { url: "https://a.example#f" },
			signed: { send, secret },
			key: { url: "https://a.example", secret: 7 },
		});
		expect(JSON.stringify(mistakes)).not.toMatch(/hunter2secret|tooshort|MfKQ/);
		expect(mistakes).toMatchInlineSnapshot(`
			{
			  "Slack": "must have a name of a-z, 0-9, _ and -, 32 at most, that begins with a letter",
			  "a.b": "must have a name of a-z, 0-9, _ and -, 32 at most, that begins with a letter",
			  "both.batch": "does not go with url: a destination is a function or an address",
			  "both.send": "does not go with url: a destination is a function or an address",
			  "crisp": "has the name of a provider: choose another",
			  "file.url": "must be a URL that starts with https://",
			  "fragment.url": "must not contain a fragment",
			  "inner.allowPrivate": "must be true or false",
			  "key.secret": "must be text: a secret for signatures",
			  "list.batch": "must be 1 or more",
			  "list.budget": "must be like { requests: 50, per: "minute" }",
			  "list.events": "must be a list",
			  "none.send": "is missing: a function that delivers an event, or a url",
			  "plan.batch": "does not go with plan, which tells how many events it covers",
			  "signed.secret": "goes with url only: sign in your function",
			  "text": "has no option "surplus"",
			  "text.send": "must be a function",
			  "user.url": "must not contain a user or a password",
			  "web.secret": "must be whsec_ and 24 to 64 random bytes in base64: make one with echo whsec_$(openssl rand -base64 32)",
			  "web.url": "must start with https://; http:// is allowed for a loopback address only",
			  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": "must have a name of a-z, 0-9, _ and -, 32 at most, that begins with a letter",
			}
		`);
	});

	test.each([["a"], ["slack-2_b"], ["x".repeat(32)], ["webhook"], ["keycloak"]])("takes the name %s", async (name) => {
		expect(await mistakesOf({ [name]: { send } })).toEqual({});
	});

	test("is told of a secret that is the write key, whatever the destination's name", async () => {
		const key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
		const sites = [
			{ writeKey: key, origins: [origin], destinations: { keycloak: { url: "https://a.example", secret: key } } },
		];
		await expect(loadConfig({ file: false, env: {}, defaults: { sites } })).rejects.toMatchObject({
			mistakes: [
				{ name: "sites[0].destinations.keycloak.secret", message: expect.stringMatching(/must not be a write key/) },
			],
		});
	});

	test("may allow a private address, and a loopback one needs no leave", async () => {
		expect(
			await mistakesOf({
				inner: { url: "https://10.0.0.1/x", allowPrivate: true },
				own: { url: "http://localhost:3000/x" },
			}),
		).toEqual({});
	});
});
