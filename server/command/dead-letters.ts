import { createInterface } from "node:readline/promises";
import * as z from "zod";
import { providerNames } from "../providers/registry.ts";
import { type Arguments, type Command, CommandError, UsageError } from "./command.ts";
import { adminVariables, ask } from "./operator.ts";
import { counted, err, minuteOf, out, outJson, table, visible } from "./print.ts";

const letterSchema = z.looseObject({
	id: z.string(),
	destination: z.string(),
	status: z.number().optional(),
	reason: z.string(),
	message: z.string().optional(),
	attempts: z.number(),
	firstAt: z.number(),
	lastAt: z.number(),
	event: z.looseObject({ type: z.string(), name: z.string().optional() }),
});
type Letter = z.infer<typeof letterSchema>;
const pageSchema = z.object({ items: z.array(letterSchema), cursor: z.string().optional() });
type Page = z.infer<typeof pageSchema>;

/** Selects dead letters by the given arguments, which must all fit. Selects every dead letter if none is given. */
function selected({ operands, destination, reason, id = [] }: Arguments) {
	const ids = [...id, ...operands.slice(1)].flatMap((text) => text.split(",")).filter((text) => text !== "");
	const wrong = ids.find((text) => !/^\d+$/.test(text));
	if (wrong !== undefined)
		throw new UsageError(`"${wrong}" is not the id of a dead letter: see eventferry deadletters list`);
	if (destination !== undefined && !providerNames.some((name) => name === destination)) {
		throw new UsageError(`there is no destination "${destination}", only ${providerNames.join(", ")}`);
	}
	return { ids: ids.length > 0 ? ids : undefined, destination, reason };
}

const columns = [
	{ title: "ID", width: 7, of: ({ id }: Letter) => id },
	{ title: "DESTINATION", width: 11, of: ({ destination }: Letter) => destination },
	{ title: "LAST TRIED, UTC", width: 16, of: ({ lastAt }: Letter) => minuteOf(lastAt) },
	{ title: "WHY", width: 20, of: ({ status, reason }: Letter) => [status, reason].filter(Boolean).join(" ") },
	{ title: "EVENT", width: 18, of: ({ event }: Letter) => event.name ?? event.type },
];

const inFull = ({ id, destination, status, reason, message, attempts, firstAt, lastAt, event }: Letter) =>
	`${id}: to ${visible(destination)}, ${visible([status, reason].filter(Boolean).join(" "))}${message ? `: ${visible(message)}` : ""}
  tried ${counted(attempts, "time")}, first ${minuteOf(firstAt)}, last ${minuteOf(lastAt)} UTC
${JSON.stringify(event, null, 2)
	.split("\n")
	.map((line) => `  ${visible(line)}\n`)
	.join("")}`;

function expectSome(count: number, { ids }: ReturnType<typeof selected>): void {
	if (count === 0 && ids) throw new CommandError(`there is no such dead letter: ${ids.join(", ")}`);
}

/** Prints the selected dead letters page by page, oldest first, or as one JSON object; resolves to their number. */
async function read(given: Arguments, print: (letters: Letter[], isFirst: boolean) => void): Promise<number> {
	const selection = selected(given);
	const all: Letter[] = [];
	let count = 0;
	let cursor: string | undefined;
	do {
		const page: Page = await ask(given.url, {
			key: "EVENTFERRY_ADMIN_TOKEN",
			answer: pageSchema,
			path: "/admin/deadletters",
			query: { ...selection, ids: selection.ids?.join(","), limit: "500", cursor },
		});
		if (given.json) all.push(...page.items);
		else if (page.items.length > 0) print(page.items, count === 0);
		count += page.items.length;
		cursor = page.cursor;
	} while (cursor !== undefined);
	expectSome(count, selection);
	if (given.json) outJson({ items: all });
	return count;
}

async function list(given: Arguments): Promise<void> {
	const count = await read(given, (letters, isFirst) => out(table(columns, letters, { titles: isFirst })));
	if (given.json) return;
	const hint = "see one with: eventferry deadletters show ID";
	out(count === 0 ? "no dead letters\n" : `${counted(count, "dead letter")}; ${hint}\n`);
}

/** Asks for confirmation at a terminal. A script is not asked. */
async function confirm(question: string): Promise<void> {
	if (!process.stdin.isTTY || !process.stderr.isTTY) return;
	const terminal = createInterface({ input: process.stdin, output: process.stderr });
	const answer = await terminal.question(`${question} [y/N] `).finally(() => terminal.close());
	if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError("nothing was done");
}

const changeSchema = z
	.object({ replayed: z.number().optional(), discarded: z.number().optional(), done: z.literal(true).optional() })
	.transform(({ replayed, discarded = 0, done = false }) => ({ count: replayed ?? discarded, isDone: done }));

/** Replays or discards the selected dead letters, and prints the progress if that takes more than one step. */
async function change(given: Arguments, done: "replayed" | "discarded"): Promise<void> {
	const selection = selected(given);
	const isAll = Object.values(selection).every((part) => part === undefined);
	if (done === "discarded" && isAll) await confirm("discard all dead letters?");
	let steps = 0;
	const { count, isDone } = await ask(given.url, {
		key: "EVENTFERRY_ADMIN_TOKEN",
		answer: changeSchema,
		path: done === "replayed" ? "/admin/deadletters/replay" : "/admin/deadletters",
		method: done === "replayed" ? "POST" : "DELETE",
		body: isAll ? { all: true } : selection,
		onLine({ count, isDone }) {
			steps += 1;
			if (!isDone && steps > 1) err(`${done} ${counted(count, "dead letter")} so far\n`);
		},
	});
	if (!isDone) throw new CommandError("the proxy stopped before all were done. Run the command again for the rest");
	expectSome(count, selection);
	if (given.json) outJson({ [done]: count });
	else out(`${done} ${counted(count, "dead letter")}\n`);
}

const actions: Record<string, (given: Arguments) => Promise<unknown>> = {
	list,
	show: (given) => read(given, (letters) => out(letters.map(inFull).join(""))),
	replay: (given) => change(given, "replayed"),
	discard: (given) => change(given, "discarded"),
};

export const deadLettersCommand: Command = {
	name: "deadletters",
	operands: "list|show|replay|discard",
	operandsMost: Number.POSITIVE_INFINITY,
	summary: "lists events that could not be delivered, and delivers them again",
	options: ["destination", "reason", "id", "url", "json", "help"],
	help: `Without --destination, --reason and --id it applies to all dead letters. A
replayed one is delivered again, after the person's other events. A discarded
one is gone.

${adminVariables}
Examples:
  eventferry deadletters list --destination ${providerNames[0]}
  eventferry deadletters show 12
  eventferry deadletters replay --reason invalid_data
  eventferry deadletters discard --id 12 13
`,
	async run(given) {
		const [action = ""] = given.operands;
		const perform = Object.hasOwn(actions, action) ? actions[action] : undefined;
		if (!perform) throw new UsageError(`deadletters list, show, replay or discard?${action && ` Not "${action}"`}`);
		await perform(given);
		return 0;
	},
};
