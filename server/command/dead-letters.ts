import * as z from "zod";
import { providerNames } from "../providers/registry.ts";
import { type Arguments, type Command, CommandError, UsageError } from "./command.ts";
import { canAsk, confirm, requireConsent } from "./consent.ts";
import { didYouMean } from "./nearest.ts";
import { adminVariables, ask } from "./operator.ts";
import { counted, duration, err, minuteOf, out, outJson, table, visible } from "./print.ts";
import { checkDestination, isEverything, type Selection, selected, selectors } from "./selection.ts";

const letterSchema = z.looseObject({
	id: z.string(),
	destination: z.string(),
	status: z.number().optional(),
	reason: z.string(),
	message: z.string().optional(),
	attempts: z.number(),
	firstAt: z.number(),
	lastAt: z.number(),
	event: z.looseObject({
		type: z.string(),
		name: z.string().optional(),
		at: z.number(),
		person: z.looseObject({ email: z.string().optional(), userId: z.string().optional() }).optional(),
	}),
});
type Letter = z.infer<typeof letterSchema>;
const pageSchema = z.object({ items: z.array(letterSchema), cursor: z.string().optional() });
type Page = z.infer<typeof pageSchema>;

/** Columns of the terminal beyond 80, which go to people and events. */
const spare = Math.max(0, (process.stdout.columns ?? 80) - 80);
const personOf = ({ event: { person } }: Letter) => person?.email ?? person?.userId;
const columns = [
	{ title: "ID", width: 6, value: ({ id }: Letter) => id },
	{ title: "DESTINATION", width: 11, value: ({ destination }: Letter) => destination },
	{ title: "TRIED, UTC", width: 11, value: ({ lastAt }: Letter) => minuteOf(lastAt).slice(5) },
	{ title: "WHY", width: 16, value: ({ status, reason }: Letter) => [status, reason].filter(Boolean).join(" ") },
	{ title: "PERSON", width: 15 + Math.floor(spare / 2), value: personOf },
	{ title: "EVENT", width: 11 + Math.ceil(spare / 2), value: ({ event }: Letter) => event.name ?? event.type },
];

const inFull = ({ id, destination, status, reason, message, attempts, firstAt, lastAt, event }: Letter) =>
	`${visible(id)}: to ${visible(destination)}, ${visible([status, reason].filter(Boolean).join(" "))}${message ? `: ${visible(message)}` : ""}
  tried ${counted(attempts, "time")}, first ${minuteOf(firstAt)}, last ${minuteOf(lastAt)} UTC
${JSON.stringify(event, null, 2)
	.split("\n")
	.map((line) => `  ${visible(line)}\n`)
	.join("")}`;

function expectSome(count: number, { ids }: Selection): void {
	if (count === 0 && ids) throw new CommandError(`there is no such dead letter: ${ids.join(", ")}`);
}

/** Number of dead letters in a page of the proxy. */
const pageSize = 500;

/** Yields at most `most` of the selected dead letters page by page, the oldest first. */
async function* pages({ url }: Arguments, selection: Selection, most: number): AsyncGenerator<Letter[]> {
	const { ids, since, ...rest } = selection;
	let cursor: string | undefined;
	let left = most;
	do {
		const page: Page = await ask(url, {
			key: "EVENTFERRY_ADMIN_TOKEN",
			answer: pageSchema,
			path: "/admin/deadletters",
			query: {
				...rest,
				ids: ids?.join(","),
				since: since?.toString(),
				limit: String(Math.min(pageSize, left)),
				cursor,
			},
		});
		if (page.items.length > 0) yield page.items;
		left -= page.items.length;
		cursor = page.cursor;
	} while (cursor !== undefined && left > 0);
}

/** Reads `--limit`. Throws {@link UsageError}. */
function limitOf({ limit }: Arguments): number {
	if (limit === undefined) return Number.POSITIVE_INFINITY;
	if (!/^[1-9]\d{0,8}$/.test(limit)) throw new UsageError("--limit must be a whole number from 1");
	return Number(limit);
}

/** Prints the selected dead letters page by page, or as one JSON object; resolves to their number and whether these are all. */
async function read(given: Arguments, print: (letters: Letter[], isFirst: boolean) => void) {
	const selection = selected(given);
	const limit = limitOf(given);
	const all: Letter[] = [];
	let count = 0;
	for await (const letters of pages(given, selection, limit + 1)) {
		const shown = letters.slice(0, limit - count);
		if (given.json) all.push(...shown);
		else if (shown.length > 0) print(shown, count === 0);
		count += letters.length;
	}
	expectSome(count, selection);
	if (given.json) outJson({ items: all });
	return { count: Math.min(count, limit), isAll: count <= limit };
}

async function list(given: Arguments): Promise<void> {
	const { count, isAll } = await read(given, (letters, isFirst) => out(table(columns, letters, { titles: isFirst })));
	if (given.json) return;
	const more = isAll ? "" : ", and there are more";
	const hint = "see one with: eventferry deadletters show ID";
	out(count === 0 ? "no dead letters\n" : `${counted(count, "dead letter")}${more}; ${hint}\n`);
}

/** Tells when events happened: `1 event, which happened 3 d ago`. */
function agesOf(times: { count: number; oldest: number; newest: number }, now: number): string {
	const [shortest, longest] = [duration(now - times.newest), duration(now - times.oldest)];
	const ago = shortest === longest ? longest : `${shortest} to ${longest}`;
	return `${counted(times.count, "event")}, which happened ${ago} ago`;
}

/** Asks before a replay, as it may hurt: a provider takes the events for new. Does not ask if none is selected. */
async function confirmReplay(given: Arguments, selection: Selection): Promise<void> {
	const times = { count: 0, oldest: Number.POSITIVE_INFINITY, newest: Number.NEGATIVE_INFINITY };
	for await (const letters of pages(given, selection, Number.POSITIVE_INFINITY)) {
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
 * Asks before a change, at a terminal only. All dead letters need `--all`, and `--yes` without a terminal; a selection is
 * changed at once then.
 */
async function askFirst(given: Arguments, selection: Selection, effect: "replayed" | "discarded") {
	const verb = effect === "replayed" ? "replay" : "discard";
	const isAll = isEverything(selection);
	if (given.limit !== undefined) throw new UsageError(`${verb} takes no --limit: it is for list and show`);
	if (given.all && !isAll) throw new UsageError(`either --all or a selection: ${selectors}`);
	if (isAll) requireConsent(given, `${verb} all dead letters`, selectors);
	if (isAll && !given.all)
		throw new UsageError(`to ${verb} all dead letters, add --all; else select some: ${selectors}`);
	if (!canAsk(given)) return;
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
	let told = 0;
	const { count, isDone } = await ask(given.url, {
		key: "EVENTFERRY_ADMIN_TOKEN",
		answer: changeSchema,
		path: effect === "replayed" ? "/admin/deadletters/replay" : "/admin/deadletters",
		method: effect === "replayed" ? "POST" : "DELETE",
		body: isEverything(selection) ? { all: true } : selection,
		onLine({ count, isDone }) {
			// The first step may be all that there is.
			if (!isDone && told > 0 && count > told) err(`${effect} ${counted(count, "dead letter")} so far\n`);
			told = count;
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
	options: ["destination", "reason", "person", "name", "since", "id", "limit", "all", "yes", "url", "json", "help"],
	help: `list and show take all dead letters, or those that fit all given options, the
oldest first. --name is the event's name, or its type if it has none. A replayed
one is delivered again, after the person's other events. A discarded one is
gone.

To replay or discard all of them takes --all. Providers take replayed events for
new, and their automations may write to people. At a terminal, replay says how
old the events are, and asks first, as does discard of all. Without a terminal
nothing is asked, and all of them take --all --yes.

${adminVariables}
Examples:
  eventferry deadletters list --destination ${providerNames[0]} --since 2h
  eventferry deadletters list --person ada@example.com --limit 20
  eventferry deadletters show 12
  eventferry deadletters replay --reason invalid_data --since 2026-11-28
  eventferry deadletters replay --all --yes
  eventferry deadletters discard --id 12 13
`,
	async run(given) {
		const [action = ""] = given.operands;
		const perform = Object.hasOwn(actions, action) ? actions[action] : undefined;
		if (!perform)
			throw new UsageError(
				`deadletters needs list, show, replay or discard${action && `, not "${action}"`}${didYouMean(action, Object.keys(actions))}`,
			);
		await checkDestination(given);
		await perform(given);
		return 0;
	},
};
