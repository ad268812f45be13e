import { expect, it } from "vitest";
import { createRecent } from "../../../server/observe/recent.ts";

it("the latest items are kept, as many as fit", () => {
	const recent = createRecent<string>(10);
	for (const thing of ["a", "b", "c"]) recent.add(thing, 4);
	expect(recent.all()).toEqual(["b", "c"]);
	recent.add("d", 2);
	expect(recent.all()).toEqual(["b", "c", "d"]);
});

it("an item larger than the limit removes all items, itself included", () => {
	const recent = createRecent<string>(10);
	recent.add("a", 1);
	recent.add("big", 11);
	expect(recent.all()).toEqual([]);
	recent.add("b", 10);
	expect(recent.all()).toEqual(["b"]);
});

it("removed items make room for new ones", () => {
	const recent = createRecent<string>(10);
	for (const thing of ["a", "b"]) recent.add(thing, 5);
	recent.remove((thing) => thing === "a");
	recent.add("c", 5);
	expect(recent.all()).toEqual(["b", "c"]);
});
