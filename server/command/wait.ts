import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod";
import { type LiveDelivery, liveLineSchema } from "../../shared/admin.ts";
import { CommandError } from "./command.ts";
import { ask } from "./operator.ts";
import { counted, duration, err, visible } from "./print.ts";

/** Time for somebody to open a page, ms. */
export const waitMs = 300_000;
/** Interval between looks at the proxy's numbers, ms. */
const lookMs = 1_000;

/** The part of the proxy's numbers that tells what became of an event. */
const statsSchema = z.object({
	now: z.number(),
	sinceStart: z.record(z.string(), z.number()),
	destinations: z.record(
		z.string(),
		z.object({ title: z.string(), state: z.string(), reason: z.string().optional(), waiting: z.number() }),
	),
});
type Stats = z.infer<typeof statsSchema>;

export interface WaitOptions {
	/** URL of the proxy. */
	url: string;
	/** The proxy's admin token, if the configuration has it. */
	token: string | undefined;
	limitMs?: number;
}

const key = "EVENTFERRY_ADMIN_TOKEN";

/** Tells what has happened to events since the last look, in words for people. */
function newsOf(before: Stats, after: Stats): string[] {
	const more = (name: string) => (after.sinceStart[name] ?? 0) - (before.sinceStart[name] ?? 0);
	const news = [];
	if (more("accepted") > 0) news.push(`${counted(more("accepted"), "event")} received`);
	if (more("rejected") > 0) news.push(`${counted(more("rejected"), "event")} refused: see the proxy's log`);
	if (more("bots") > 0)
		news.push(`${counted(more("bots"), "event")} of a bot ignored: use a browser that is not automated`);
	for (const { title, state, reason = "", waiting } of Object.values(after.destinations)) {
		const isNew = !Object.values(before.destinations).some((each) => each.title === title && each.state === state);
		if (waiting > 0 && state !== "running" && isNew) news.push(`${title} is ${state}: ${reason}`);
	}
	return news;
}

/** Reports what happens at the proxy until the signal, and whether an event was received. */
async function look(
	before: Stats,
	readStats: () => Promise<Stats>,
	signal: AbortSignal,
	progress: { received: boolean },
) {
	for (let last = before; !signal.aborted; ) {
		await delay(lookMs, undefined, { signal }).catch(() => {});
		if (signal.aborted) return;
		const now = await readStats();
		const news = newsOf(last, now);
		progress.received ||= news.some((each) => each.endsWith(" received"));
		for (const each of news) err(`${visible(each)}\n`);
		last = now;
	}
}

/** Words for outcomes other than a delivery. A person who is not known yet is part of most first deliveries. */
const outcomeWords: Partial<Record<LiveDelivery["outcome"], string>> = {
	rejected: "refuses it",
	paused: "takes no requests",
	wait: "has reached a limit",
	retry: "fails, and is tried again",
};
const reasonOf = ({ status, reason }: LiveDelivery) => [status, reason].filter((part) => part !== undefined).join(" ");

/** An event that was delivered. */
export interface Delivered {
	event: string;
	person: string;
	destination: string;
	title: string;
}

/**
 * Waits until the running proxy delivers an event that it had not delivered before. Reports on stderr what happens
 * meanwhile. Rejects with {@link CommandError} if nothing is delivered in time.
 */
export async function waitForEvent({ url, token, limitMs = waitMs }: WaitOptions): Promise<Delivered> {
	const readStats = () => ask(url, { key, secret: token, answer: statsSchema, path: "/admin/stats" });
	const first = await readStats();
	err("Open a page of yours, logged in: events of a visitor wait in the browser for a login.\n");
	err(`Waiting for an event, up to ${duration(limitMs)} …\n`);
	const over = new AbortController();
	const signal = AbortSignal.any([over.signal, AbortSignal.timeout(limitMs)]);
	const progress = { received: false };
	let delivered: Delivered | undefined;
	const looking = look(first, readStats, signal, progress);
	const watching = ask(url, {
		key,
		secret: token,
		answer: liveLineSchema,
		path: "/admin/live",
		signal,
		onLine(line) {
			// The stream begins with the past.
			if (delivered || line.kind !== "delivery" || line.at < first.now || line.count === 0) return;
			progress.received = true;
			const { destination, person, events } = line;
			const title = first.destinations[destination]?.title ?? destination;
			const [event] = events;
			const name = event?.name ?? event?.type ?? "";
			const problem = outcomeWords[line.outcome];
			if (problem) err(`${visible(`${name}: ${title} ${problem} (${reasonOf(line)})`)}\n`);
			if (line.outcome !== "delivered") return;
			delivered = { event: name, person, destination, title };
			over.abort();
		},
	});
	// Either fails if the proxy ends meanwhile.
	await Promise.all([looking, watching.catch((error) => (signal.aborted ? undefined : Promise.reject(error)))]).finally(
		() => over.abort(),
	);
	if (delivered) return delivered;
	throw new CommandError(
		progress.received
			? `what was received was not delivered in ${duration(limitMs)}: see eventferry stats for what waits, and why`
			: `no event arrived in ${duration(limitMs)}: is the tag in the page, and does the browser's console show an error?`,
	);
}
