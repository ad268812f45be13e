import * as z from "zod";
import { type SetAsideView, setAsidePageSchema } from "../../shared/admin.ts";
import { type Arguments, type Command, CommandError, UsageError } from "./command.ts";
import { canAsk, confirm, idsOf, requireConsent } from "./consent.ts";
import { didYouMean } from "./nearest.ts";
import { adminVariables, ask } from "./operator.ts";
import { counted, minuteOf, out, outJson, table } from "./print.ts";

type Page = z.infer<typeof setAsidePageSchema>;

const columns = [
	{ title: "ID", width: 7, value: ({ id }: SetAsideView) => id },
	{ title: "SITE", width: 16, value: ({ site }: SetAsideView) => site },
	{ title: "EVENTS", width: 6, value: ({ events }: SetAsideView) => events },
	{
		title: "STORED, UTC",
		width: 16,
		value: ({ storedAt }: SetAsideView) => storedAt && minuteOf(storedAt),
	},
	{ title: "WHY", width: 27, value: ({ reason }: SetAsideView) => reason },
];

const batches = (count: number) => counted(count, "batch", "batches");

async function list(given: Arguments): Promise<void> {
	if (idsOf(given, "a batch") || given.all)
		throw new UsageError("journal list takes no ids and no --all: it lists all");
	const all: SetAsideView[] = [];
	let cursor: string | undefined;
	do {
		const page: Page = await ask(given.url, {
			key: "EVENTFERRY_ADMIN_TOKEN",
			answer: setAsidePageSchema,
			path: "/admin/journal",
			query: { limit: "500", cursor },
		});
		all.push(...page.items);
		cursor = page.cursor;
	} while (cursor !== undefined);
	if (given.json) return outJson({ items: all });
	if (all.length > 0) out(table(columns, all));
	out(all.length === 0 ? "no batch is set aside\n" : `${batches(all.length)} set aside\n`);
}

async function change(given: Arguments, effect: "retried" | "discarded"): Promise<void> {
	const ids = idsOf(given, "a batch");
	if (ids && given.all) throw new UsageError("either --all or --id");
	if (effect === "discarded" && !ids) {
		requireConsent(given, "discard all batches that are set aside", "--id");
		if (canAsk(given)) await confirm("discard all batches that are set aside, with their events?");
	}
	const answer = await ask(given.url, {
		key: "EVENTFERRY_ADMIN_TOKEN",
		answer: z.object({ retried: z.number().optional(), discarded: z.number().optional() }),
		path: `/admin/journal/${effect === "retried" ? "retry" : "discard"}`,
		method: "POST",
		body: ids ? { ids } : { all: true },
	});
	const count = answer[effect] ?? 0;
	if (count === 0 && ids) throw new CommandError(`no such batch is set aside: ${ids.join(", ")}`);
	if (given.json) outJson({ [effect]: count });
	else out(`${effect} ${batches(count)}\n`);
}

const actions: Record<string, (given: Arguments) => Promise<void>> = {
	list,
	retry: (given) => change(given, "retried"),
	discard: (given) => change(given, "discarded"),
};

export const journalCommand: Command = {
	name: "journal",
	operands: "list|retry|discard",
	maxOperands: Number.POSITIVE_INFINITY,
	summary: "lists batches of events that could not be sorted, and tries them again",
	options: ["id", "all", "yes", "url", "json", "help"],
	help: `A batch that the store cannot sort into people's queues is set aside, so that
later ones go on. Each start of a proxy tries it again, as does retry, without
--id all of them; its events then come after the other events of their people.
Discard deletes it with its events, for good. At a terminal, discard of all of
them asks first. Without a terminal nothing is asked, and it takes --all --yes.

${adminVariables}
Examples:
  eventferry journal list
  eventferry journal retry
  eventferry journal discard --id 12 13
  eventferry journal discard --all --yes
`,
	async run(given) {
		const [action = ""] = given.operands;
		const perform = Object.hasOwn(actions, action) ? actions[action] : undefined;
		if (!perform) {
			const meant = didYouMean(action, Object.keys(actions));
			throw new UsageError(`journal needs list, retry or discard${action && `, not "${action}"`}${meant}`);
		}
		await perform(given);
		return 0;
	},
};
