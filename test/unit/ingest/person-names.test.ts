import { describe, expect, test } from "vitest";
import { openReader } from "../../../server/inbound/open-token.ts";
import { identityReader, signIdentity } from "../../../server/ingest/identity-token.ts";
import type { IngestSite } from "../../../server/ingest/ingest.ts";
import { signToken } from "../../../server/ingest/token.ts";
import { normaliseEmail, personKey } from "../../../server/stored-event.ts";
import { searchSchema } from "../../../shared/admin.ts";
import { isAmbiguous } from "../../../shared/event.ts";

const secret = "x".repeat(32);
const site: IngestSite = {
	...{ name: "shop", writeKey: "shop", origins: [], identity: "verified", identitySecrets: [secret] },
	route: () => ({ destinations: [], notAddressable: [] }),
};

test("only A-Z are folded, so that no address becomes another one", () => {
	expect(normaliseEmail(" Ada@Example.COM ")).toBe("ada@example.com");
	expect(personKey({ email: "\u212aIM@example.com" })).toBe("email:\u212aim@example.com");
	expect(normaliseEmail("ÉVA@example.com")).toBe("Éva@example.com");
});

test.each(["\u212a", "\u017f", "\u0130", "\u0131", "ß", "ẞ", "ﬁ", "Ａ", "ａ", "＠", "．", "。", "𝐚", "ⓐ", "ª", "ŉ"])(
	"an address with %s may be taken for another",
	(character) => expect(isAmbiguous(`a${character}b@example.com`)).toBe(true),
);

test.each([
	"ada@example.com",
	"éva@example.com",
	"ЕВА@пример.рф",
	"用户@例子.广告",
	"ÅÄÖ@example.se",
	"🛒@example.com",
])("%s may not", (address) => expect(isAmbiguous(address)).toBe(false));

describe.each(["\u212aim@example.com", "a\u200bb@example.com", "a\u202eb@example.com"])("%j is refused", (email) => {
	test("in an identity's token, when it is signed and when it is read", async () => {
		await expect(signIdentity({ email }, { secret, expiresIn: "1h" })).rejects.toThrow(TypeError);
		const token = await signToken({ email }, { secret, audience: "eventferry:identity", expiresIn: "1h" });
		const identities = await identityReader([secret], Date.now)([{ person: { token } }]);
		expect(identities.size).toBe(0);
	});

	test("in an opened e-mail's token", async () => {
		const token = await signToken({ email }, { secret, audience: "eventferry:open", expiresIn: "1h" });
		expect(await openReader([site], Date.now)(token)).toBeUndefined();
	});

	test("in a search", () => expect(searchSchema.safeParse({ person: email }).success).toBe(false));
});
