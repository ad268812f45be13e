import { describe, expect, test } from "vitest";
import type { Person } from "../../../shared/event.ts";
import { masked, maskedJson, maskedText } from "../../../shared/masking.ts";

describe("a masked person", () => {
	test.each([
		[{ email: "ada@example.com" }, "a***@example.com"],
		[{ email: "a@b" }, "a***@b"],
		[{ email: '"odd@"@example.com' }, '"***@example.com'],
		[{ email: "ada@example.com", userId: "u-1" }, "a***@example.com"],
		[{ userId: "u-77" }, "u***"],
		[{ userId: "👩‍🚀 1" }, "👩***"],
		[{}, "***"],
	] satisfies [Person, string][])("%o is %s", (person, shown) => {
		expect(masked(person)).toBe(shown);
	});
});

test("JSON keeps its form, and shows no text, long number or e-mail of a person", () => {
	const body = {
		text: "basket:item:added",
		email: "ada@example.com",
		person: { nickname: "Ada Lovelace", phone: 4915112345678, vip: true, left: null, note: "" },
		data: { total: 99.9, tags: ["gold", "x y"] },
		filter: [{ field: "customers.email", operator: "=", value: "ada@example.com" }],
		"ada@example.com": { reason: "invalid_data", error: "Ada is unknown" },
	};
	expect(maskedJson(body, ["basket:item:added"])).toEqual({
		text: "basket:item:added",
		email: "a***@example.com",
		person: { nickname: "A***", phone: "***", vip: true, left: null, note: "" },
		data: { total: 99.9, tags: ["g***", "x***"] },
		filter: [{ field: "customers.email", operator: "=***", value: "a***@example.com" }],
		"a***@example.com": { reason: "invalid_data", error: "A***" },
	});
});

test("a key named like a prototype's is a key", () => {
	const parsed = JSON.parse('{"__proto__":{"a":"secret"}}');
	expect(JSON.stringify(maskedJson(parsed))).toBe('{"__proto__":{"a":"s***"}}');
});

test("a text keeps its words, but for e-mails", () => {
	const text = 'user "ada@example.com" (bob@b.example) has no e-mail @ home';
	expect(maskedText(text)).toBe('user "a***@example.com" (b***@b.example) has no e-mail @ home');
});

test("an e-mail in an address within a text is masked too", () => {
	expect(maskedText("no such person: /people/ada%40example.com?x=1")).toBe("no such person: /***%40example.com?x=1");
	expect(maskedText('{"a":"ada%40example.com","b":"50 %40 x"}')).toBe('{"a":"a***%40example.com","b":"50 %40 x"}');
});
