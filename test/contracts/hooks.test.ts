import { gzipSync } from "node:zlib";
import { Crisp } from "crisp-api";
import express from "express";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { crispHooks } from "../../server/providers/crisp/hooks.ts";
import {
	crispBody,
	crispHeaders,
	crispKey,
	crispReports,
	crispSecret,
	crispSignature,
	helpcrunchBody,
	helpcrunchHeaders,
	helpcrunchReports,
	helpcrunchSecret,
	postHook,
} from "../support/hooks.ts";
import { origin, problemOf, type RunningProxy, runProxy } from "../support/proxy.ts";

const minute = 60_000;
let running: RunningProxy;

const start = (more: Parameters<typeof runProxy>[0] = {}) =>
	runProxy({
		site: ({ crisp, helpcrunch, vibetrace }) => ({
			crisp: { ...crisp, hookSecret: crispSecret, hookKey: crispKey },
			helpcrunch: { ...helpcrunch, hookSecret: helpcrunchSecret },
			vibetrace,
		}),
		...more,
	});

const answered = async (response: Response) =>
	response.status === 200 ? [200, await response.json()] : [response.status, (await problemOf(response)).code];
const taken = [200, { repeated: false }];
const repeated = [200, { repeated: true }];
const refused = [403, "invalid_signature"];
const malformed = [400, "malformed_body"];
const hookCounts = async () =>
	((await (await running.admin("/stats")).json()) as { sinceStart: Record<string, number> }).sinceStart;

describe("a web hook", () => {
	let website: string;
	beforeAll(async () => {
		running = await start();
		website = running.sandbox.destinations.crisp.websiteId;
	});
	afterAll(() => running.stop());

	const crisp = (body: string, headers: Record<string, string> = {}, query = "") =>
		postHook(running.url, `crisp${query}`, body, headers).then(answered);
	const helpcrunch = (body: string, headers: Record<string, string> = {}) =>
		postHook(running.url, "helpcrunch", body, headers).then(answered);
	let messages = 0;
	const message = () => crispBody(website, "message:send", { session_id: "session_1", content: `Hey ${++messages}` });

	describe("of a Crisp plugin", () => {
		it("is accepted once, and answered with 200 at each delivery", async () => {
			const body = message();
			const headers = crispHeaders(body);
			expect(await crisp(body, headers)).toEqual(taken);
			expect(await crisp(body, headers)).toEqual(repeated);
		});

		it("may be signed over reserialised JSON, as the official client does", async () => {
			const official = new Crisp();
			const body = message();
			const timestamp = Date.now();
			const spaced = JSON.stringify(JSON.parse(body), undefined, 2);
			const headers = crispHeaders(body, timestamp);
			expect(official.verifyWidget(crispSecret, JSON.parse(spaced), timestamp, headers["x-crisp-signature"])).toBe(
				true,
			);
			expect(await crisp(spaced, headers)).toEqual(taken);
			expect(await crisp(body, headers)).toEqual(repeated);
		});

		it("may be signed over its raw bytes, however they are formatted", async () => {
			const body = `{ "website_id" : "${website}", "event":"message:send","data" :{"a":1.0, "b":"\\u00e9"},"timestamp":1}`;
			expect(JSON.stringify(JSON.parse(body))).not.toBe(body);
			expect(await crisp(body, crispHeaders(body))).toEqual(taken);
		});

		it.each<[string, (body: string) => Record<string, string>]>([
			["that was changed", (body) => crispHeaders(`${body} `.replace("Hey", "Bye"))],
			["signed with another secret", (body) => crispHeaders(body, Date.now(), "another")],
			["signed more than 5 minutes ago", (body) => crispHeaders(body, Date.now() - 5.1 * minute)],
			["signed more than 5 minutes in the future", (body) => crispHeaders(body, Date.now() + 5.1 * minute)],
			[
				"whose time differs from the signed one",
				(body) => ({ ...crispHeaders(body, 1), "x-crisp-request-timestamp": `${Date.now()}` }),
			],
			["without a time", (body) => ({ "x-crisp-signature": crispSignature(body, "undefined") })],
			["with an invalid time", (body) => crispHeaders(body, "now")],
			["without a signature", () => ({ "x-crisp-request-timestamp": `${Date.now()}` })],
			["with an empty signature", (body) => ({ ...crispHeaders(body), "x-crisp-signature": "" })],
			[
				"with other characters after the signature",
				(body) => ({ ...crispHeaders(body), "x-crisp-signature": `${crispHeaders(body)["x-crisp-signature"]}zz` }),
			],
			[
				"with a digit too many in the signature",
				(body) => ({ ...crispHeaders(body), "x-crisp-signature": `${crispHeaders(body)["x-crisp-signature"]}a` }),
			],
			[
				"with half a signature",
				(body) => ({
					...crispHeaders(body),
					"x-crisp-signature": crispHeaders(body)["x-crisp-signature"].slice(0, 32),
				}),
			],
			["with a signature of another scheme", (body) => helpcrunchHeaders(body, crispSecret)],
		])("%s is refused", async (_what, headers) => {
			const body = message();
			expect(await crisp(body, headers(body))).toEqual(refused);
		});

		it.each([
			["milliseconds, nearly 5 minutes ago", () => Date.now() - 4.9 * minute],
			["milliseconds, nearly 5 minutes ahead", () => Date.now() + 4.9 * minute],
			["seconds", () => Date.now() / 1_000],
		])("may give its time in %s", async (_what, time) => {
			const body = message();
			expect(await crisp(body, crispHeaders(body, Math.round(time())))).toEqual(taken);
		});

		it("counts as the same in whatever case its signature is written", async () => {
			const body = message();
			const { "x-crisp-signature": signature, ...headers } = crispHeaders(body);
			expect(await crisp(body, { ...headers, "x-crisp-signature": signature })).toEqual(taken);
			expect(await crisp(body, { ...headers, "x-crisp-signature": signature.toUpperCase() })).toEqual(repeated);
		});

		it("passes a test vector that the official client verifies", () => {
			const raw = Buffer.from('{"website_id":"w","event":"message:send","data":{"a":1},"timestamp":1700000000000}');
			const signature = "00e5f1e5ebfd094a9d101005ff47fc77dc0bbd81e0ddd438d0848c2c23fb7ce5";
			const headers: Record<string, string> = {
				"x-crisp-signature": signature,
				"x-crisp-request-timestamp": "1700000000000",
			};
			const head = {
				header: (name: string) => headers[name],
				query: () => undefined,
				now: 1_700_000_000_000,
				isCompared: () => true,
			};
			const json = JSON.parse(raw.toString());
			const hooks = crispHooks.create({ websiteId: "w", hookSecret: "sekret" });
			const verifies = (body: object, more: object = {}) =>
				hooks.check({ ...head, ...more })?.({ raw, json, reserialised: () => undefined, ...body }) ?? false;
			expect(verifies({})).toBe(true);
			expect(verifies({ raw: undefined, reserialised: () => JSON.stringify(json) })).toBe(true);
			expect(verifies({ json: undefined })).toBe(true);
			expect(verifies({ json: undefined, raw: Buffer.concat([raw, Buffer.from(" ")]) })).toBe(false);
			expect(verifies({}, { now: 1_700_000_300_001 })).toBe(false);
			expect(verifies({}, { isCompared: () => false })).toBe(false);
			expect(new Crisp().verifyWidget("sekret", json, 1_700_000_000_000, signature)).toBe(true);
		});
	});

	describe("of a Crisp website, which is not signed,", () => {
		it("is accepted once with its key", async () => {
			const body = message();
			expect(await crisp(body, {}, `?key=${crispKey}`)).toEqual(taken);
			expect(await crisp(body, {}, `?key=${crispKey}`)).toEqual(repeated);
		});

		it.each([
			["without a key", ""],
			["with an empty key", "?key="],
			["with a wrong key", "?key=wrong"],
			["with another secret as the key", `?key=${crispSecret}`],
		])("is refused %s", async (_what, query) => {
			expect(await crisp(message(), {}, query)).toEqual(refused);
		});

		it("is refused with a wrong signature, whatever its key", async () => {
			const body = message();
			expect(await crisp(body, crispHeaders(body, Date.now(), "another"), `?key=${crispKey}`)).toEqual(refused);
		});
	});

	describe("of HelpCrunch", () => {
		const customer = { id: 7, email: "ada@example.com", userId: null, customData: { plan: "pro" } };

		it("is accepted once by its id, even if the attempt's number changes the body", async () => {
			const body = helpcrunchBody("customer.new", customer, "hook-1");
			const again = body.replace('"attempts":1', '"attempts":2');
			expect(await helpcrunch(body, helpcrunchHeaders(body))).toEqual(taken);
			expect(await helpcrunch(again, helpcrunchHeaders(again))).toEqual(repeated);
		});

		it("may be signed over reserialised JSON", async () => {
			const body = helpcrunchBody("customer.new", customer);
			const spaced = JSON.stringify(JSON.parse(body), undefined, 2);
			expect(await helpcrunch(spaced, helpcrunchHeaders(body))).toEqual(taken);
			const reformatted = JSON.stringify(JSON.parse(helpcrunchBody("customer.new", customer)), undefined, 1);
			expect(await helpcrunch(reformatted, helpcrunchHeaders(reformatted))).toEqual(taken);
		});

		it.each<[string, (body: string) => Record<string, string>]>([
			["that was changed", (body) => helpcrunchHeaders(body.replace("ada", "bob"))],
			["signed with another secret", (body) => helpcrunchHeaders(body, "another")],
			["without a signature", () => ({})],
			["with a signature of Crisp's scheme", (body) => ({ "x-helpcrunch-signature": crispSignature(body, 1) })],
			[
				"with the sample signature of the documentation",
				() => ({ "x-helpcrunch-signature": "d5f3c8y9z1x4v7b0n2m6q8w3e5r7t9y1u4i6o8p0" }),
			],
		])("%s is refused", async (_what, headers) => {
			const body = helpcrunchBody("customer.new", customer);
			expect(await helpcrunch(body, headers(body))).toEqual(refused);
		});
	});

	it.each([
		["not JSON", "{"],
		["empty", ""],
		["a list", "[]"],
		["null", "null"],
		["text", '"message:send"'],
		["without an event", '{"data":{}}'],
		["with an event that is a number", '{"event":1,"data":{},"eventData":{},"id":1}'],
		["without data", '{"event":"message:send"}'],
		["with data that is a list", '{"event":"message:send","data":[],"eventData":[]}'],
	])("that is %s is malformed, once its signature is verified", async (_what, body) => {
		expect(await crisp(body, crispHeaders(body))).toEqual(malformed);
		expect(await helpcrunch(body, helpcrunchHeaders(body))).toEqual(malformed);
		expect(await crisp(body)).toEqual(refused);
	});

	it("with an unknown event is answered with 200, and counted", async () => {
		const before = await hookCounts();
		const body = crispBody(website, "message:sung", {});
		expect(await crisp(body, crispHeaders(body))).toEqual(taken);
		const unknown = helpcrunchBody("customer.sung", {});
		expect(await helpcrunch(unknown, helpcrunchHeaders(unknown))).toEqual(taken);
		expect((await hookCounts()).hooks_unknown_event).toBe((before.hooks_unknown_event ?? 0) + 2);
		const metrics = await (
			await fetch(`${running.url}/metrics`, { headers: { authorization: "Bearer admin-token-9c2d" } })
		).text();
		expect(metrics).toMatch(/^eventferry_hooks_total\{from="crisp",outcome="unknown_event"\} 1$/m);
	});

	it("of an unknown website is answered with 200, and counted", async () => {
		const before = await hookCounts();
		const body = crispBody("another-website", "session:set_email", { session_id: "s", email: "eve@example.com" });
		expect(await crisp(body, crispHeaders(body))).toEqual(taken);
		expect(await hookCounts()).toMatchObject({ hooks_other_account: (before.hooks_other_account ?? 0) + 1 });
	});

	it("that is too large is refused", async () => {
		const body = crispBody(website, "message:send", { content: "x".repeat(262_144) });
		expect(await crisp(body, crispHeaders(body))).toEqual([413, "body_too_large"]);
	});

	it("must be a POST to a provider with web hooks", async () => {
		expect(await answered(await fetch(`${running.url}/v1/hooks/crisp`))).toEqual([405, "method_not_allowed"]);
		expect(await answered(await fetch(`${running.url}/v1/hooks/vibetrace`, { method: "POST" }))).toEqual([
			404,
			"not_found",
		]);
	});
});

describe("web hooks", () => {
	afterEach(() => running.stop());
	const send = async (body: string, headers = crispHeaders(body)) =>
		answered(await postHook(running.url, "crisp", body, headers));

	it("are remembered across a restart", async () => {
		running = await start();
		const body = crispBody(running.sandbox.destinations.crisp.websiteId, "message:send", { content: "Hey" });
		const headers = crispHeaders(body);
		expect(await send(body, headers)).toEqual(taken);
		await running.proxy.stop();
		expect(await send(body, headers)).toEqual([503, "store_unavailable"]);
		await running.proxy.start();
		expect(await send(body, headers)).toEqual(repeated);
	});

	it("have no route if no secret is shared with the provider", async () => {
		running = await runProxy({ site: (all) => all });
		const body = crispBody("w", "message:send", {});
		const missing = [404, "not_found"];
		expect(await send(body)).toEqual(missing);
		expect(await answered(await postHook(running.url, "crisp?key=undefined", body))).toEqual(missing);
		expect(await answered(await postHook(running.url, "helpcrunch", body, helpcrunchHeaders(body)))).toEqual(missing);
	});

	it("are not decompressed, and not read without a signature or key that could be right", async () => {
		running = await start();
		const packed = gzipSync(crispBody("w", "message:send", {}));
		const post = (path: string, headers: Record<string, string>, body: BodyInit) =>
			fetch(`${running.url}/v1/hooks/${path}`, { method: "POST", headers, body }).then(answered);
		const json = { "content-type": "application/json", "content-encoding": "gzip" };
		expect(await post(`crisp?key=${crispKey}`, json, packed)).toEqual([415, "unsupported_media_type"]);
		for (const path of ["crisp", "crisp?key=wrong", "helpcrunch"]) {
			expect(await post(path, json, packed)).toEqual(refused);
			// Read, it would be 413.
			expect(await post(path, {}, "x".repeat(300_000))).toEqual(refused);
		}
	});

	it("nested too deep to be serialised are refused and counted, parsed by the app around the router or not", async () => {
		const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
		for (const parser of [[], [express.json({ limit: "1mb" })]]) {
			const app = express();
			app.use(...parser, (_request, _response, next) => next());
			running = await start({ base: "/ferry", app, config: { rateLimit: { perAddress: 2 } } });
			const signed = { ...crispHeaders(deep), "x-crisp-signature": "0".repeat(64) };
			const tries = () => postHook(running.url, "crisp", deep, signed).then(answered);
			expect([await tries(), await tries(), await tries()]).toEqual([refused, refused, [429, "rate_limited"]]);
			await running.stop();
		}
		running = await start();
	});

	it.each([
		["json()", express.json()],
		["text() for everything", express.text({ type: () => true })],
		["raw() for everything", express.raw({ type: () => true })],
	])("are accepted behind the app's own %s", async (_what, parser) => {
		running = await start({ app: express().use(parser), base: "/ferry" });
		const body = crispBody(running.sandbox.destinations.crisp.websiteId, "message:send", { content: "é" });
		expect(await send(body)).toEqual(taken);
		expect(await send(body, crispHeaders(body, Date.now(), "another"))).toEqual(refused);
		const key = await postHook(running.url, `crisp?key=${crispKey}`, body.replace("é", "è"));
		expect(await answered(key)).toEqual(taken);
	});

	it("are limited to a number of wrong signatures", async () => {
		running = await start({ config: { rateLimit: { perAddress: 3 } } });
		const body = crispBody("w", "message:send", {});
		for (let n = 0; n < 3; n += 1) expect(await send(body, crispHeaders(body, Date.now(), `${n}`))).toEqual(refused);
		expect(await send(body)).toEqual([429, "rate_limited"]);
	});

	it("reach each listener once, and a listener that throws does not affect the others", async () => {
		running = await start();
		const heard: unknown[] = [];
		running.proxy.onHook(() => {
			throw new Error("no");
		});
		const stop = running.proxy.onHook((hook) => heard.push(hook));
		const { websiteId } = running.sandbox.destinations.crisp;
		const body = crispBody(websiteId, "message:send", { content: "Hey" }, 1_700_000_000_000);
		const headers = crispHeaders(body);
		await Promise.all(Array.from({ length: 10 }, () => send(body, headers)));
		expect(await helpcrunchReports(running, "customer.new", { id: 7 })).toBe(false);
		stop();
		await crispReports(running, "message:send", {});
		expect(heard).toEqual([
			{ from: "crisp", event: "message:send", at: 1_700_000_000_000, data: { website_id: websiteId, content: "Hey" } },
			{ from: "helpcrunch", event: "customer.new", at: expect.any(Number), data: { id: 7 } },
		]);
	});
});

describe("web hooks of several sites", () => {
	afterEach(() => running.stop());

	it("go to the site of their website, whichever site's secret has signed them", async () => {
		const inbound = [{ from: "crisp", event: "email:subscribe", as: "track" }] as const;
		running = await start({
			site: ({ crisp, vibetrace }) => ({
				crisp: { ...crisp, hookSecret: crispSecret },
				vibetrace,
				inbound: [...inbound],
			}),
			others: ({ crisp, helpcrunch }) => [
				{
					writeKey: "site_blog",
					origins: [origin],
					crisp: { ...crisp, websiteId: "blog-website", hookSecret: "the blog's" },
					helpcrunch,
					inbound: [...inbound],
				},
			],
		});
		const { url, sandbox } = running;
		const post = async (website: string, secret: string) => {
			const body = crispBody(website, "email:subscribe", { email: "ada@example.com", subscribed: true });
			return answered(await postHook(url, "crisp", body, crispHeaders(body, Date.now(), secret)));
		};
		expect(await post(sandbox.destinations.crisp.websiteId, crispSecret)).toEqual(taken);
		expect(await post("blog-website", crispSecret)).toEqual(taken);
		expect(await post("blog-website", "nobody's")).toEqual(refused);
		await running.settled(1);
		expect([sandbox.people("vibetrace").length, sandbox.people("helpcrunch").length]).toEqual([1, 0]);
		expect(await post("blog-website", "the blog's")).toEqual(taken);
		await running.settled(2);
		expect([sandbox.people("vibetrace").length, sandbox.people("helpcrunch").length]).toEqual([1, 1]);
	});
});
