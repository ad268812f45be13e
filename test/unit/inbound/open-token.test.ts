import { SignJWT } from "jose";
import { afterEach, expect, test, vi } from "vitest";
import { openReader, signOpenUrl } from "../../../server/inbound/open-token.ts";
import type { IngestSite } from "../../../server/ingest/ingest.ts";

const secretOf = (index: number) => `${index}`.padEnd(32, "x");
const sites = Array.from(
	{ length: 200 },
	(_, index): IngestSite => ({
		...{ name: `${index}`, writeKey: `${index}`, origins: [], identity: "open", identitySecrets: [secretOf(index)] },
		route: () => ({ destinations: [], skipped: [] }),
	}),
);
const email = "ada@example.com";
const base = "https://shop.example";
const tokenIn = (url: string) => new URL(url).searchParams.get("t") ?? "";
const anonymous = (index: number) =>
	new SignJWT({ email })
		.setProtectedHeader({ alg: "HS256" })
		.setAudience("eventferry:open")
		.sign(Buffer.from(secretOf(index)));
afterEach(() => vi.restoreAllMocks());

test("the site of an opened e-mail is found by its token, with one check of its signature", async () => {
	const read = openReader(sites, Date.now);
	const tokens = [
		tokenIn(await signOpenUrl({ email }, { secret: secretOf(150), base })),
		tokenIn(await signOpenUrl({ email }, { secret: secretOf(150), base, writeKey: "150" })),
	];
	const verify = vi.spyOn(crypto.subtle, "verify");
	for (const token of tokens) expect((await read(token))?.site.writeKey).toBe("150");
	expect(verify).toHaveBeenCalledTimes(2);
});

test("a token that says neither site nor secret is checked only where there is one site", async () => {
	const verify = vi.spyOn(crypto.subtle, "verify");
	expect(await openReader(sites, Date.now)(await anonymous(3))).toBeUndefined();
	expect(verify).not.toHaveBeenCalled();
	expect((await openReader(sites.slice(3, 4), Date.now)(await anonymous(3)))?.site.writeKey).toBe("3");
});

test("a site is not believed without its secret", async () => {
	const token = tokenIn(await signOpenUrl({ email }, { secret: secretOf(1), base, writeKey: "2" }));
	expect(await openReader(sites, Date.now)(token)).toBeUndefined();
});
