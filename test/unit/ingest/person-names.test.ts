import { describe, expect, test } from "vitest";
import { openReader } from "../../../server/inbound/open-token.ts";
import { identityReader, signIdentity } from "../../../server/ingest/identity-token.ts";
import type { IngestSite } from "../../../server/ingest/ingest.ts";
import { parseEvent } from "../../../server/ingest/parse-event.ts";
import { signToken } from "../../../server/ingest/token.ts";
import { normaliseEmail, personKey } from "../../../server/stored-event.ts";
import { searchSchema } from "../../../shared/admin.ts";
import { eventSchema, isAmbiguous } from "../../../shared/event.ts";

const userIdSchema = eventSchema.options[0].shape.person.shape.userId;
const secret = "x".repeat(32);
const site: IngestSite = {
	...{ name: "shop", writeKey: "shop", origins: [], identity: "verified", identitySecrets: [secret] },
	route: () => ({ destinations: [], skipped: [] }),
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

const userIds = userIdSchema.unwrap();
test.each([
	...[
		"\u212aim",
		"ada\u00a0",
		"a\u2003b",
		"a\u1680b",
		"a\u2800b",
		"a\u{1d159}b",
		"\uff41da",
		"\u017fam",
		"\uff20da",
		"ⓐda",
	],
])("%j is refused as a userId", async (userId) => {
	expect(userIds.safeParse(userId).success).toBe(false);
	await expect(signIdentity({ userId }, { secret, expiresIn: "1h" })).rejects.toThrow(TypeError);
	const token = await signToken({ userId }, { secret, audience: "eventferry:identity", expiresIn: "1h" });
	expect((await identityReader([secret], Date.now)([{ person: { token } }])).size).toBe(0);
	const raw = { id: crypto.randomUUID(), at: 1, type: "track", name: "x", person: { userId } };
	expect(parseEvent(raw)).toBeUndefined();
});

test.each(["ж", "é", "e\u0301va", "用户 7", "Ada Lovelace", "u-1", "🛒"])("%j is taken as a userId", (userId) => {
	expect(userIds.parse(userId)).toBe(userId);
	const raw = { id: crypto.randomUUID(), at: 1, type: "track", name: "x", person: { userId } };
	expect(parseEvent(raw)?.event.person).toEqual({ userId });
});

describe.each(["a\u2800@example.com", "\u212aim@example.com", "a\u200bb@example.com", "a\u202eb@example.com"])(
	"%j is refused",
	(email) => {
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
	},
);
