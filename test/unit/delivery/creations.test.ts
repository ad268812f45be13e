import { beforeEach, describe, expect, it } from "vitest";
import type { Notice } from "../../../server/delivery/context.ts";
import { createCreations } from "../../../server/delivery/creations.ts";

describe("creations of profiles", () => {
	let now: number;
	let notices: Notice[];
	let creations: ReturnType<typeof createCreations>;
	beforeEach(() => {
		now = 0;
		notices = [];
		creations = createCreations({ now: () => now, notify: (notice) => notices.push(notice) });
	});

	it("are held from the first refusal on, if none was accepted before", () => {
		expect(creations.begin()).toBe(0);
		expect(creations.refused(1, "not_allowed")).toEqual({ reason: "not_allowed", until: 30_000 });
		expect(creations.begin()).toBe(30_000);
		expect(notices).toEqual([{ kind: "creations", hold: { reason: "not_allowed", until: 30_000 } }]);
	});

	it("are tried one at a time after a hold, which doubles up to 15 minutes", () => {
		const lengths: number[] = [];
		for (let n = 0; n < 8; n += 1) {
			const hold = creations.refused(1, "not_allowed");
			lengths.push((hold?.until ?? 0) - now);
			now = hold?.until ?? 0;
			expect(creations.begin()).toBe(0);
			// Others ask again soon, as the answer may come any time.
			expect(creations.begin()).toBe(now + 1_000);
		}
		expect(lengths).toEqual([30_000, 60_000, 120_000, 240_000, 480_000, 900_000, 900_000, 900_000]);
		expect(notices).toHaveLength(1);
	});

	it("are held no longer for creations that were begun before the hold", () => {
		creations.refused(1, "not_allowed");
		expect([2, 3].map((lane) => creations.refused(lane, "not_allowed")?.until)).toEqual([30_000, 30_000]);
	});

	it("go on once one is accepted", () => {
		creations.refused(1, "not_allowed");
		now = 30_000;
		creations.begin();
		creations.accepted();
		expect([creations.begin(), creations.hold()]).toEqual([0, undefined]);
		expect(notices.at(-1)).toEqual({ kind: "creations", hold: undefined });
	});

	/** Refuses creations of these many people in turn. Returns the last hold. */
	function refuse(people: number, times: number) {
		let hold: ReturnType<typeof creations.refused>;
		for (let n = 0; n < times; n += 1) hold = creations.refused(n % people, "blocked");
		return hold;
	}

	it("are not held for the refusals of a few people, after others were accepted", () => {
		creations.accepted();
		expect(refuse(2, 30)).toBeUndefined();
		creations.accepted();
		expect(refuse(9, 9)).toBeUndefined();
		expect(creations.begin()).toBe(0);
	});

	it("are held for a short time when several people are refused and nobody was accepted in between", () => {
		creations.accepted();
		expect(refuse(3, 10)).toMatchObject({ until: 5_000 });
		const lengths: number[] = [];
		for (let n = 0; n < 14; n += 1) {
			now = creations.hold()?.until ?? 0;
			creations.begin();
			lengths.push((creations.refused(3, "not_allowed")?.until ?? 0) - now);
		}
		expect(lengths).toEqual([...Array(10).fill(5_000), 10_000, 20_000, 40_000, 80_000]);
	});
});
