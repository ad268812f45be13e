import { type DestinationNumbers, type Stats, statsSchema, type Wait } from "../../shared/admin.ts";
import { sizeText } from "../../shared/size.ts";
import type { Command } from "./command.ts";
import { adminVariables, ask } from "./operator.ts";
import { counted, duration, minuteOf, out, outJson, table, visible } from "./print.ts";

type Row = DestinationNumbers & { name: string };

const units: Record<number, string> = { 86400000: "day", 60000: "minute", 1000: "second" };

const columns = (now: number) => [
	{ title: "DESTINATION", width: 11, value: ({ name }: Row) => name },
	{ title: "STATE", width: 8, value: ({ state }: Row) => state },
	{ title: "WAITING", width: 10, value: ({ waiting }: Row) => waiting },
	{ title: "OLDEST", width: 7, value: ({ oldestAt }: Row) => (oldestAt === undefined ? "" : duration(now - oldestAt)) },
	{ title: "DELIVERED", width: 12, value: ({ delivered }: Row) => delivered },
	{ title: "DEAD", width: 9, value: ({ dead }: Row) => dead },
];

/** Words for what events wait for; an operator's pause has its own line. */
const waitWords: Record<Wait["for"], string> = {
	turn: "",
	retry: "for another attempt",
	budget: "for the budget",
	reserve: "as the rest of the budget is kept for the backend's events",
	limit: "as it asked for",
	pause: "for the end of its pause",
	operator: "",
};

type Budget = Row["budget"][number] & { name: string };
const budgetColumns = [
	{ title: "BUDGET OF", width: 11, value: ({ name }: Budget) => name },
	{ title: "SITE", width: 25, value: ({ site }: Budget) => site },
	{ title: "USED", width: 10, value: ({ used }: Budget) => used },
	{ title: "ALLOWED", width: 10, value: ({ limit }: Budget) => limit },
	{ title: "PER", width: 6, value: ({ perMs }: Budget) => units[perMs] ?? duration(perMs) },
];

const reasonCounts = (discarded: Record<string, number>) =>
	Object.entries(discarded)
		.map(([reason, count]) => `${visible(reason)} ${count}`)
		.join(", ");

function print(
	{ journal, journalAge, stuck, isOutdated, room, events, discarded, forgotten, destinations }: Stats,
	now: number,
): void {
	const rows = Object.entries(destinations).map(([name, each]) => ({ name: visible(name), ...each }));
	const unsorted = `, ${counted(journal, "batch", "batches")} not sorted yet, the oldest for ${duration(journalAge)}`;
	out(`${counted(events, "event")} taken in${journal > 0 ? unsorted : ""}\n`);
	if (isOutdated)
		out("a newer eventferry has changed the store: this proxy takes in and delivers nothing, replace it\n");
	if (room) out(`the store takes ${sizeText(room.used)} of ${sizeText(room.max)}\n`);
	if (room?.isFull) out("the store is full: events of unverified visitors are refused until there is room\n");
	if (forgotten > 0)
		out(`the store was full: ${counted(forgotten, "id or fact", "ids and facts")} of visitors were forgotten\n`);
	if (stuck > 0) {
		out(`${counted(stuck, "batch", "batches")} could not be sorted: see the log. Each start tries again.\n`);
		out("List them with: eventferry journal list\n");
	}
	if (Object.keys(discarded).length > 0) out(`discarded: ${reasonCounts(discarded)}\n`);
	out(`\n${table(columns(now), rows)}`);
	for (const { name, state, until, reason, pausedAt } of rows) {
		if (pausedAt !== undefined) out(`${name} was paused by an operator at ${minuteOf(pausedAt)} UTC\n`);
		if (until !== undefined) out(`${name} is ${state} until ${minuteOf(until)} UTC: ${visible(reason ?? "")}\n`);
	}
	for (const { name, waiting, wait } of rows) {
		if (wait?.nextAt === undefined || wait.doneAt === undefined || wait.for === "turn") continue;
		out(`${name}: ${counted(waiting, "event waits", "events wait")} ${waitWords[wait.for]}. The next request goes at `);
		out(`${minuteOf(wait.nextAt)} UTC; at this rate all are sent by ${minuteOf(wait.doneAt)} UTC\n`);
	}
	for (const row of rows) {
		if (Object.keys(row.discarded).length > 0) out(`not sent to ${row.name}: ${reasonCounts(row.discarded)}\n`);
	}
	for (const { name, leftOut, refusedNames } of rows) {
		if (leftOut > 0) out(`left out at ${name}: ${counted(leftOut, "attribute value")}\n`);
		for (const refused of refusedNames) out(`  it refuses the name ${visible(refused)}\n`);
	}
	const budgets = rows.flatMap(({ name, budget }) => budget.map((each) => ({ name, ...each })));
	out(`\n${table(budgetColumns, budgets)}`);
}

export const statsCommand: Command = {
	name: "stats",
	summary: "counts waiting, delivered and dead events, and shows the budgets",
	options: ["url", "json", "help"],
	help: `${adminVariables}
Examples:
  eventferry stats
  eventferry stats --url https://shop.example/ferry --json
`,
	async run(given) {
		const stats = await ask(given.url, { key: "EVENTFERRY_ADMIN_TOKEN", answer: statsSchema, path: "/admin/stats" });
		if (given.json) outJson(stats);
		else print(stats, Date.now());
		return 0;
	},
};
