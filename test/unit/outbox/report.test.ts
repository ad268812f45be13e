import { expect, it } from "vitest";
import type { Claim } from "../../../server/outbox/batch.ts";
import { eventsIn } from "../../../server/outbox/journal-row.ts";
import { type Report, type ReportedEvent, withoutEchoes } from "../../../server/outbox/report.ts";

const claim = (key: string): Claim => ({ key, reason: `echo of ${key}`, at: 0, since: 0, until: 10 });
const reported = (person: string, unless: string[], marks: string[]): ReportedEvent => ({
	event: { person, body: `"${person}"`, destinations: [], claims: [], rank: 0, reserved: false, trusted: false },
	unless: unless.map(claim),
	marks: marks.map(claim),
});
const report = (events: ReportedEvent[], more: Partial<Report> = {}): Report => ({
	site: "shop",
	claim: claim("report"),
	events,
	links: [],
	unlearn: [],
	now: 0,
	...more,
});
/** Claims kept in a set, by person and key. */
function createClaims(...names: string[]) {
	const all = new Set(names);
	const nameOf = (person: string, { key }: Claim) => `${person} ${key}`;
	return {
		all,
		isTaken: (person: string, each: Claim) => all.has(nameOf(person, each)),
		set: (person: string, each: Claim) => void all.add(nameOf(person, each)),
	};
}

it("an event with a taken claim is dropped, and none of its marks are set", () => {
	const claims = createClaims("ada sent");
	const events = [reported("ada", ["other", "sent"], ["told"]), reported("bob", ["sent"], ["told"])];
	const { batch, echoes } = withoutEchoes(report(events), claims);
	expect(echoes).toEqual(["echo of sent"]);
	expect(batch && eventsIn(batch).map(({ person }) => person)).toEqual(["bob"]);
	expect([...claims.all]).toEqual(["ada sent", "bob told"]);
});

it("an event may be an echo of an earlier one in the same report", () => {
	const twice = reported("ada", ["sent"], ["sent"]);
	const { batch, echoes } = withoutEchoes(report([twice, twice]), createClaims());
	expect(echoes).toHaveLength(1);
	expect(batch && eventsIn(batch)).toHaveLength(1);
});

it("a batch is made only if there is something to append or to count", () => {
	expect(withoutEchoes(report([]), createClaims()).batch).toBeUndefined();
	const skipped = [{ destination: "crisp", reason: "no_person", count: 1 }];
	const { batch } = withoutEchoes(report([], { skipped }), createClaims());
	expect(JSON.parse(batch?.head ?? "{}")).toMatchObject({ skipped, bundles: [] });
});
