import { SignJWT } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { signIdentity, signOpenUrl } from "../../server/index.ts";
import { event, origin, problemOf, type RunningProxy, runProxy, serverKey, writeKey } from "../support/proxy.ts";

const secret = "a secret of 32 characters or more for opens";
const other = "another secret of 32 characters or more";
const ada = "ada@example.com";

describe("GET /v1/open.gif", () => {
	let running: RunningProxy;
	afterEach(() => running.stop());
	const start = async (site: object = { identitySecrets: [secret] }) => {
		running = await runProxy({ site });
	};

	const open = async (url: string, init: RequestInit = {}) => {
		const response = await fetch(url, init);
		const body = Buffer.from(await response.arrayBuffer());
		expect(response.status).toBe(200);
		expect(response.headers.get("content-type")).toBe("image/gif");
		expect(response.headers.get("cache-control")).toBe("no-store");
		if (init.method !== "HEAD") expect(body.subarray(0, 6).toString()).toBe("GIF89a");
		return response;
	};
	const signed = (more: Partial<Parameters<typeof signOpenUrl>[1]> = {}, campaign?: string) =>
		signOpenUrl({ email: ada, ...(campaign && { campaign }) }, { secret, base: running.url, ...more });
	const jwt = (claims: object, key = secret, audience = "eventferry:open") =>
		new SignJWT({ email: ada, ...claims })
			.setProtectedHeader({ alg: "HS256" })
			.setAudience(audience)
			.setIssuedAt()
			.sign(Buffer.from(key));
	const withToken = (token: string) => `${running.url}/v1/open.gif?t=${token}`;
	/** What Crisp was told, once a last event of somebody else has been delivered. */
	const delivered = async (events: number) => {
		await running.batch(event({ name: "last" }));
		await running.settled(events + 1);
		return running.sandbox
			.requests("crisp")
			.filter(({ path, status }) => path.includes("/people/events/") && status === 200)
			.map(({ path, body }) => ({
				to: decodeURIComponent(path.split("/").at(-1) ?? ""),
				...(body as { text: string }),
			}))
			.filter(({ text }) => text !== "last");
	};

	it("records that a person opened an e-mail", async () => {
		await start();
		await open(await signed({}, "spring"));
		expect(await delivered(1)).toEqual([{ to: ada, text: "email_open", data: { campaign: "spring" } }]);
	});

	it("records one in 20 minutes, however many proxies and prefetchers ask", async () => {
		await start();
		const urls = await Promise.all(Array.from({ length: 20 }, () => signed()));
		await Promise.all(urls.flatMap((url) => [open(url), open(url)]));
		expect(await delivered(1)).toHaveLength(1);
	});

	it("counts those the backend tells of as well", async () => {
		await start();
		const told = { events: [event({ type: "email_open", name: undefined, person: { email: ada } })] };
		await running.post(told, { authorization: `Bearer ${serverKey}` }, "/v1/events");
		await running.settled(1);
		await open(await signed());
		expect(await delivered(2)).toHaveLength(1);
	});

	it.each([
		["is prefetched", { headers: { "Sec-Purpose": "prefetch;prerender" } }],
		["is previewed", { headers: { Purpose: "preview" } }],
		["is prefetched by an old Firefox", { headers: { "X-Moz": "prefetch" } }],
		["is only asked after", { method: "HEAD" }],
	])("records nothing when it %s", async (_what, init) => {
		await start();
		await open(await signed(), init);
		expect(await delivered(0)).toEqual([]);
	});

	it.each<[string, () => Promise<string> | string]>([
		["has no token", () => `${running.url}/v1/open.gif`],
		["has an empty one", () => withToken("")],
		["has none that is one", () => withToken("%00'\"><script>")],
		["has one that is endless", () => withToken("a".repeat(8_000))],
		["has one that somebody else has signed", async () => withToken(await jwt({}, other))],
		["has one that was changed", async () => (await signed()).replace(/t=(.{40})./, "t=$1_")],
		["has one that nobody has signed", () => withToken(unsigned())],
		["has one that has expired", async () => withToken(await jwt({ exp: Math.floor(Date.now() / 1_000) - 1 }))],
		["has one that is not valid yet", async () => withToken(await jwt({ nbf: Math.floor(Date.now() / 1_000) + 600 }))],
		["has one for something else", async () => withToken(await jwt({}, secret, "eventferry:identity"))],
		["has an identity's", async () => withToken(await signIdentity({ email: ada }, { secret, expiresIn: 60 }))],
		["names no address", async () => withToken(await jwt({ email: "nobody" }))],
		["names a campaign that is none", async () => withToken(await jwt({ campaign: { $gt: "" } }))],
	])("is the image and records nothing when it %s", async (_what, url) => {
		await start();
		await open(await url());
		expect(await delivered(0)).toEqual([]);
	});

	const unsigned = () =>
		[{ alg: "none" }, { email: ada, aud: "eventferry:open" }, ""]
			.map((part) => (part === "" ? "" : Buffer.from(JSON.stringify(part)).toString("base64url")))
			.join(".");

	it("takes what an older secret has signed, and what has no end", async () => {
		await start({ identitySecrets: [other, secret] });
		await open(withToken(await jwt({})));
		expect(await delivered(1)).toHaveLength(1);
	});

	it("is the image also while there is no store", async () => {
		await start();
		const url = await signed();
		await running.proxy.stop();
		await open(url);
		await running.proxy.start();
		await open(url);
		expect(await delivered(1)).toHaveLength(1);
	});

	it("is only to be got", async () => {
		await start();
		const response = await fetch(`${running.url}/v1/open.gif`, { method: "POST" });
		expect([response.status, (await problemOf(response)).code]).toEqual([405, "method_not_allowed"]);
	});

	it("is worth no more than a page's word: the budget's reserve and purchases come first", async () => {
		await start();
		// A refused key pauses the destination: both wait, and neither is put off by a failure of its own.
		const hold = running.sandbox.fault("crisp", { status: 401 });
		await open(await signed());
		await running.batch(event({ type: "confirmation", name: undefined, data: { orderId: "A-1" } }));
		await running.sandbox.until((requests) => requests.length > 0);
		await expect.poll(async () => (await (await running.admin("/stats")).json()).destinations.crisp.waiting).toBe(2);
		await running.proxy.stop();
		hold();
		await running.proxy.start();
		await running.settled(2);
		const texts = running.sandbox
			.requests("crisp")
			.flatMap(({ body, status }) => (status === 200 ? ((body as { text?: string }).text ?? []) : []));
		expect(texts).toEqual(["confirmation", "email_open"]);
	});

	describe("where there are several sites", () => {
		const startBoth = async (blogSecret: string) => {
			running = await runProxy({
				site: { identitySecrets: [secret] },
				others: ({ vibetrace }) => [
					{ writeKey: "site_blog", origins: [origin], identitySecrets: [blogSecret], vibetrace },
				],
			});
		};
		const told = async (events: number) => {
			await running.settled(events);
			const { sandbox } = running;
			return [sandbox.people("crisp").length, sandbox.people("vibetrace").length];
		};

		it("counts for the one whose secret it is", async () => {
			await startBoth(other);
			await open(await signed({ secret: other }));
			expect(await told(1)).toEqual([0, 1]);
		});

		it("counts for the one it names where they share a secret, and for none where it names none", async () => {
			await startBoth(secret);
			await open(await signed());
			await open(await signed({ writeKey: "site_nowhere" }));
			await open(await signed({ writeKey: "site_blog" }));
			expect(await told(1)).toEqual([0, 1]);
			await open(await signed({ writeKey }));
			expect(await told(2)).toEqual([1, 1]);
		});

		it("does not count for one that it names and whose secret it is not", async () => {
			await startBoth(other);
			await open(await signed({ writeKey: "site_blog" }));
			await open(await signed());
			expect(await told(1)).toEqual([1, 0]);
		});
	});
});

describe("signOpenUrl", () => {
	const base = "https://shop.example/ferry/";
	it("makes the address of an image where the proxy is", async () => {
		const url = await signOpenUrl({ email: ada }, { secret: `${secret},${other}`, base });
		expect(url).toMatch(/^https:\/\/shop\.example\/ferry\/v1\/open\.gif\?t=[\w-]+\.[\w-]+\.[\w-]+$/);
	});

	it.each([
		["an address that is none", { email: "nobody" }, {}],
		["a campaign that is none", { email: ada, campaign: "" }, {}],
		["no secret", { email: ada }, { secret: "" }],
		["a base that is no URL", { email: ada }, { base: "shop.example" }],
		["a base that is not of the web", { email: ada }, { base: "javascript:alert(1)" }],
	])("refuses %s", async (_what, who, more) => {
		await expect(signOpenUrl(who, { secret, base, ...more })).rejects.toThrow(TypeError);
	});
});
