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
	/** Resolves to the events that Crisp received, once a last event of another person has been delivered. */
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

	it("records one opening in 20 minutes, however often proxies and prefetchers ask", async () => {
		await start();
		const urls = await Promise.all(Array.from({ length: 20 }, () => signed()));
		await Promise.all(urls.flatMap((url) => [open(url), open(url)]));
		expect(await delivered(1)).toHaveLength(1);
	});

	it("counts openings that the backend reports as well", async () => {
		await start();
		const openings = { events: [event({ type: "email_open", name: undefined, person: { email: ada } })] };
		await running.post(openings, { authorization: `Bearer ${serverKey}` }, "/v1/events");
		await running.settled(1);
		await open(await signed());
		expect(await delivered(2)).toHaveLength(1);
	});

	it.each([
		["is prefetched", { headers: { "Sec-Purpose": "prefetch;prerender" } }],
		["is previewed", { headers: { Purpose: "preview" } }],
		["is prefetched by an old Firefox", { headers: { "X-Moz": "prefetch" } }],
		["is requested with HEAD", { method: "HEAD" }],
	])("records nothing when it %s", async (_what, init) => {
		await start();
		await open(await signed(), init);
		expect(await delivered(0)).toEqual([]);
	});

	it.each<[string, () => Promise<string> | string]>([
		["has no token", () => `${running.url}/v1/open.gif`],
		["has an empty token", () => withToken("")],
		["has markup for a token", () => withToken("%00'\"><script>")],
		["has an endless token", () => withToken("a".repeat(8_000))],
		["has a token signed with another secret", async () => withToken(await jwt({}, other))],
		["has a token that was changed", async () => (await signed()).replace(/t=(.{40})./, "t=$1_")],
		["has an unsigned token", () => withToken(unsigned())],
		["has an expired token", async () => withToken(await jwt({ exp: Math.floor(Date.now() / 1_000) - 1 }))],
		[
			"has a token that is not valid yet",
			async () => withToken(await jwt({ nbf: Math.floor(Date.now() / 1_000) + 600 })),
		],
		["has a token for another audience", async () => withToken(await jwt({}, secret, "eventferry:identity"))],
		["has an identity token", async () => withToken(await signIdentity({ email: ada }, { secret, expiresIn: 60 }))],
		["names an invalid address", async () => withToken(await jwt({ email: "nobody" }))],
		["names an invalid campaign", async () => withToken(await jwt({ campaign: { $gt: "" } }))],
	])("is the image and records nothing when it %s", async (_what, url) => {
		await start();
		await open(await url());
		expect(await delivered(0)).toEqual([]);
	});

	const unsigned = () =>
		[{ alg: "none" }, { email: ada, aud: "eventferry:open" }, ""]
			.map((part) => (part === "" ? "" : Buffer.from(JSON.stringify(part)).toString("base64url")))
			.join(".");

	it("accepts a token signed with an older secret, and one without an expiry", async () => {
		await start({ identitySecrets: [other, secret] });
		await open(withToken(await jwt({})));
		expect(await delivered(1)).toHaveLength(1);
	});

	it("is the image even while the store is closed", async () => {
		await start();
		const url = await signed();
		await running.proxy.stop();
		await open(url);
		await running.proxy.start();
		await open(url);
		expect(await delivered(1)).toHaveLength(1);
	});

	it("answers GET only", async () => {
		await start();
		const response = await fetch(`${running.url}/v1/open.gif`, { method: "POST" });
		expect([response.status, (await problemOf(response)).code]).toEqual([405, "method_not_allowed"]);
	});

	it("is trusted no more than a page's event: purchases come first", async () => {
		await start();
		// A refused key pauses the destination, so that both events wait without a failure of their own.
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
			.flatMap(({ body, status }) => (status === 200 ? ((body as { text?: string } | undefined)?.text ?? []) : []));
		expect(texts).toEqual(["confirmation", "email_open"]);
	});

	describe("with several sites", () => {
		const startBoth = async (blogSecret: string) => {
			running = await runProxy({
				site: { identitySecrets: [secret] },
				others: ({ vibetrace }) => [
					{ writeKey: "site_blog", origins: [origin], identitySecrets: [blogSecret], vibetrace },
				],
			});
		};
		const peopleAt = async (events: number) => {
			await running.settled(events);
			const { sandbox } = running;
			return [sandbox.people("crisp").length, sandbox.people("vibetrace").length];
		};

		it("counts for the site whose secret signed it", async () => {
			await startBoth(other);
			await open(await signed({ secret: other }));
			expect(await peopleAt(1)).toEqual([0, 1]);
		});

		it("counts for the site it names if they share a secret, and for none if it names none", async () => {
			await startBoth(secret);
			await open(await signed());
			await open(await signed({ writeKey: "site_nowhere" }));
			await open(await signed({ writeKey: "site_blog" }));
			expect(await peopleAt(1)).toEqual([0, 1]);
			await open(await signed({ writeKey }));
			expect(await peopleAt(2)).toEqual([1, 1]);
		});

		it("does not count for a site that it names without that site's secret", async () => {
			await startBoth(other);
			await open(await signed({ writeKey: "site_blog" }));
			await open(await signed());
			expect(await peopleAt(1)).toEqual([1, 0]);
		});
	});
});

describe("signOpenUrl", () => {
	const base = "https://shop.example/ferry/";
	it("makes the URL of an image at the proxy", async () => {
		const url = await signOpenUrl({ email: ada }, { secret: `${secret},${other}`, base });
		expect(url).toMatch(/^https:\/\/shop\.example\/ferry\/v1\/open\.gif\?t=[\w-]+\.[\w-]+\.[\w-]+$/);
	});

	it.each([
		["an invalid address", { email: "nobody" }, {}],
		["an empty campaign", { email: ada, campaign: "" }, {}],
		["no secret", { email: ada }, { secret: "" }],
		["a base that is not a URL", { email: ada }, { base: "shop.example" }],
		["a base that is not an HTTP URL", { email: ada }, { base: "javascript:alert(1)" }],
	])("refuses %s", async (_what, who, more) => {
		await expect(signOpenUrl(who, { secret, base, ...more })).rejects.toThrow(TypeError);
	});
});
