import * as z from "zod";
import { providerNames } from "../providers/registry.ts";
import { type Arguments, type Command, CommandError, UsageError } from "./command.ts";
import { canAsk, confirm, idsOf, requireConsent } from "./consent.ts";
import { adminVariables, ask } from "./operator.ts";
import { counted, duration, err, minuteOf, out, outJson, table, visible } from "./print.ts";

const letterSchema = z.looseObject({
	id: z.string(),
	destination: z.string(),
	status: z.number().optional(),
	reason: z.string(),
	message: z.string().optional(),
	attempts: z.number(),
	firstAt: z.number(),
	lastAt: z.number(),
	event: z.looseObject({ type: z.string(), name: z.string().optional(), at: z.number() }),
});
type Letter = z.infer<typeof letterSchema>;
const pageSchema = z.object({ items: z.array(letterSchema), cursor: z.string().optional() });
type Page = z.infer<typeof pageSchema>;

/** Selects dead letters by the given arguments, which must all fit. Selects every dead letter if none is given. */
function selected(given: Arguments) {
	const { destination, reason } = given;
	return { ids: idsOf(given, "a dead letter"), destination, reason };
}

const namesSchema = z
	.object({ destinations: z.record(z.string(), z.unknown()) })
	.transform(({ destinations }) => Object.keys(destinations));

/** Checks the name of a destination; asks the proxy for those that are not providers. Throws {@link UsageError}. */
async function checkDestination({ destination, url }: Arguments): Promise<void> {
	const isAmong = (names: readonly string[]) => destination === undefined || names.includes(destination);
	if (isAmong(providerNames)) return;
	const own = await ask(url, { key: "EVENTFERRY_ADMIN_TOKEN", answer: namesSchema, path: "/admin/stats" });
	if (isAmong(own)) return;
	const all = [...new Set([...providerNames, ...own])];
	throw new UsageError(`there is no destination "${destination}", only ${all.join(", ")}`);
}

const isEverything = (selection: ReturnType<typeof selected>) =>
	Object.values(selection).every((part) => part === undefined);

const columns = [
	{ title: "ID", width: 7, value: ({ id }: Letter) => id },
	{ title: "DESTINATION", width: 11, value: ({ destination }: Letter) => destination },
	{ title: "LAST TRIED, UTC", width: 16, value: ({ lastAt }: Letter) => minuteOf(lastAt) },
	{ title: "WHY", width: 20, value: ({ status, reason }: Letter) => [status, reason].filter(Boolean).join(" ") },
	{ title: "EVENT", width: 18, value: ({ event }: Letter) => event.name ?? event.type },
];

const inFull = ({ id, destination, status, reason, message, attempts, firstAt, lastAt, event }: Letter) =>
	`${visible(id)}: to ${visible(destination)}, ${visible([status, reason].filter(Boolean).join(" "))}${message ? `: ${visible(message)}` : ""}
  tried ${counted(attempts, "time")}, first ${minuteOf(firstAt)}, last ${minuteOf(lastAt)} UTC
${JSON.stringify(event, null, 2)
	.split("\n")
	.map((line) => `  ${visible(line)}\n`)
	.join("")}`;

function expectSome(count: number, { ids }: ReturnType<typeof selected>): void {
	if (count === 0 && ids) throw new CommandError(`there is no such dead letter: ${ids.join(", ")}`);
}

/** Yields the selected dead letters page by page, the oldest first. */
async function* pages({ url }: Arguments, { ids, ...rest }: ReturnType<typeof selected>): AsyncGenerator<Letter[]> {
	let cursor: string | undefined;
	do {
		const page: Page = await ask(url, {
			key: "EVENTFERRY_ADMIN_TOKEN",
			answer: pageSchema,
			path: "/admin/deadletters",
			query: { ...rest, ids: ids?.join(","), limit: "500", cursor },
		});
		if (page.items.length > 0) yield page.items;
		cursor = page.cursor;
	} while (cursor !== undefined);
}

/** Prints the selected dead letters page by page, or as one JSON object; resolves to their number. */
async function read(given: Arguments, print: (letters: Letter[], isFirst: boolean) => void): Promise<number> {
	const selection = selected(given);
	const all: Letter[] = [];
	let count = 0;
	for await (const letters of pages(given, selection)) {
		if (given.json) all.push(...letters);
		else print(letters, count === 0);
		count += letters.length;
	}
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

/** Tells when events happened: `1 event, which happened 3 d ago`. */
function agesOf(times: { count: number; oldest: number; newest: number }, now: number): string {
	const [shortest, longest] = [duration(now - times.newest), duration(now - times.oldest)];
	const ago = shortest === longest ? longest : `${shortest} to ${longest}`;
	return `${counted(times.count, "event")}, which happened ${ago} ago`;
}

/** Asks before a replay, as it may hurt: a provider takes the events for new. Does not ask if none is selected. */
async function confirmReplay(given: Arguments, selection: ReturnType<typeof selected>): Promise<void> {
	const times = { count: 0, oldest: Number.POSITIVE_INFINITY, newest: Number.NEGATIVE_INFINITY };
	for await (const letters of pages(given, selection)) {
		for (const { event } of letters) {
			times.count += 1;
			times.oldest = Math.min(times.oldest, event.at);
			times.newest = Math.max(times.newest, event.at);
		}
	}
	if (times.count === 0) return;
	err("A provider takes replayed events for new: its automations may write to people.\n");
	await confirm(`replay ${agesOf(times, Date.now())}?`);
}

/**
 * Asks before a change, at a terminal only. Without a terminal, all dead letters need `--all --yes`; a selection is
 * changed at once.
 */
async function askFirst(given: Arguments, selection: ReturnType<typeof selected>, effect: "replayed" | "discarded") {
	const verb = effect === "replayed" ? "replay" : "discard";
	const isAll = isEverything(selection);
	if (given.all && !isAll) throw new UsageError("either --all or a selection: --destination, --reason or --id");
	const isAsked = canAsk(given);
	if (isAll) requireConsent(given, `${verb} all dead letters`, "--destination, --reason or --id");
	if (!isAsked) return;
	if (effect === "replayed") await confirmReplay(given, selection);
	else if (isAll) await confirm("discard all dead letters?");
}

const changeSchema = z
	.object({ replayed: z.number().optional(), discarded: z.number().optional(), done: z.literal(true).optional() })
	.transform(({ replayed, discarded = 0, done = false }) => ({ count: replayed ?? discarded, isDone: done }));

/** Replays or discards the selected dead letters; prints progress if more than one step is needed. */
async function change(given: Arguments, effect: "replayed" | "discarded"): Promise<void> {
	const selection = selected(given);
	await askFirst(given, selection, effect);
	let steps = 0;
	const { count, isDone } = await ask(given.url, {
		key: "EVENTFERRY_ADMIN_TOKEN",
		answer: changeSchema,
		path: effect === "replayed" ? "/admin/deadletters/replay" : "/admin/deadletters",
		method: effect === "replayed" ? "POST" : "DELETE",
		body: isEverything(selection) ? { all: true } : selection,
		onLine({ count, isDone }) {
			steps += 1;
			if (!isDone && steps > 1) err(`${effect} ${counted(count, "dead letter")} so far\n`);
		},
	});
	if (!isDone) throw new CommandError("the proxy stopped before all were done: run the command again for the rest");
	expectSome(count, selection);
	if (given.json) outJson({ [effect]: count });
	else out(`${effect} ${counted(count, "dead letter")}\n`);
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
	maxOperands: Number.POSITIVE_INFINITY,
	summary: "lists events that could not be delivered, and delivers them again",
	options: ["destination", "reason", "id", "all", "yes", "url", "json", "help"],
	help: `Without --destination, --reason and --id it applies to all dead letters. A
replayed one is delivered again, after the person's other events. A discarded
one is gone.

Providers take replayed events for new, and their automations may write to
people. At a terminal, replay says how old the events are, and asks first, as
does discard of all. Without a terminal nothing is asked, and to replay or
discard all of them takes --all --yes.

${adminVariables}
Examples:
  eventferry deadletters list --destination ${providerNames[0]}
  eventferry deadletters show 12
  eventferry deadletters replay --reason invalid_data
  eventferry deadletters replay --all --yes
  eventferry deadletters discard --id 12 13
`,
	async run(given) {
		const [action = ""] = given.operands;
		const perform = Object.hasOwn(actions, action) ? actions[action] : undefined;
		if (!perform)
			throw new UsageError(`deadletters needs list, show, replay or discard${action && `, not "${action}"`}`);
		await checkDestination(given);
		await perform(given);
		return 0;
	},
};
