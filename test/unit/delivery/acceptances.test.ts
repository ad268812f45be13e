import { expect, it } from "vitest";
import { createAcceptances } from "../../../server/delivery/acceptances.ts";

it("those who were refused let others go first, once after each refusal", () => {
	const acceptances = createAcceptances();
	for (const person of ["a", "b", "c"]) acceptances.refusedPerson(person);
	expect(["a", "d", "a", "b", "c", "b"].map(acceptances.yields)).toEqual([true, false, false, true, true, false]);
	acceptances.refusedPerson("d");
	expect(acceptances.yields("a")).toBe(true);
	acceptances.accepted("event", 1, 0);
	expect(acceptances.yields("b")).toBe(false);
});
