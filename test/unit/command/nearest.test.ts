import { expect, it } from "vitest";
import { didYouMean } from "../../../server/command/nearest.ts";

const names = ["serve", "check", "deadletters", "--port", "--user-id", "crisp"];

it.each([
	["chekc", "check"],
	["sreve", "serve"],
	["SERVE", "serve"],
	["dead-letters", "deadletters"],
	["dead", "deadletters"],
	["--prot", "--port"],
	["--userid", "--user-id"],
	["--user", "--user-id"],
	["crips", "crisp"],
])("%s probably means %s", (given, meant) => {
	expect(didYouMean(given, names)).toBe(`, did you mean ${meant}?`);
});

it.each(["sail", "", "cr", "x".repeat(100_000)])("%j is like no name", (given) => {
	expect(didYouMean(given, names)).toBe("");
});
