import { expect, test } from "vitest";
import { listed } from "../../../shared/listed.ts";

test.each(["and", "or"] as const)("lists words with %s as Intl.ListFormat does", (last) => {
	const format = new Intl.ListFormat("en-GB", { type: last === "and" ? "conjunction" : "disjunction" });
	for (const words of [[], ["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]])
		expect(listed(words, last)).toBe(format.format(words));
});
