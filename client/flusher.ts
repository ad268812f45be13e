import type { Event, Limits } from "../shared/event.ts";
import { readLocal, writeLocal } from "./local.ts";
import { type Notify, warn } from "./notices.ts";
import type { Queue } from "./queue.ts";
import { backoff, longestWait, type Reply, readReply } from "./reply.ts";
import { byteLength } from "./text.ts";
import { inTurn } from "./turn.ts";

const batchEvents: Limits["batchEvents"] = 100;
/** Bytes of events in a request; browsers let 64 KiB of keepalive requests be in flight together. */
const batchBytes = 60_000;
const everyMs = 5_000;
const atEvents = 20;
/** So many ms 20 events wait for what is captured with them: a request costs as much as 20 events. */
const soonMs = 150;
const timeoutMs = 10_000;
/** Characters from which compressing is worth its while. */
const largeBody = 2_000;

/** Nothing is sent before `until`: the proxy's wish where nothing has failed, else our backoff. */
interface Pause {
	until: number;
	failures: number;
}

const size = (value: unknown) => byteLength(JSON.stringify(value)) + 1;

/** Sends what is waiting: one request at a time, in one tab at a time. */
export function createFlusher(name: string, url: string, writeKey: string, queue: Queue, notify: Notify) {
	const pauseKey = `${name}:pause`;
	let pause: Pause = { until: 0, failures: 0 };
	/** What page-hide requests carry until they are answered, and the bytes left for more of them. */
	const leaving = new Set<string>();
	let room = batchBytes;
	/** Their events stay until a login brings that person's next token. */
	const expiredTokens = new Set<string | undefined>();
	let largest: number = batchEvents;
	let isStopped = false;
	/** Whether what failed was compressed: somebody on the way may not like it. */
	let isPlain = false;
	let timer: ReturnType<typeof setTimeout> | undefined;
	let soon: typeof timer;
	let running: Promise<void> | undefined;

	const mustWait = (isEager?: boolean): boolean => {
		// Another tab, or an earlier page, may have learnt more.
		pause = (readLocal(pauseKey) as Pause | null) ?? pause;
		const left = pause.until - Date.now();
		return isStopped || (left > 0 && left <= longestWait && !(isEager && pause.failures));
	};

	const wait = (ms: number, failures: number) => {
		pause = { until: Date.now() + ms, failures };
		// Other tabs, and the next page, are to know.
		writeLocal(pauseKey, pause);
	};

	const deliverable = () =>
		queue._list(true).filter(({ id, person }) => !leaving.has(id) && !expiredTokens.has(person.token));

	/** The first of them, as many as have room. */
	const take = (events: Event[], room: number): Event[] =>
		events.slice(0, largest).filter((event) => {
			room -= size(event);
			return room >= 0;
		});

	/** Sends a batch. Never rejects. `isLast`: the page goes, so at once and to outlive it. */
	const post = async (events: Event[], isLast: boolean): Promise<Reply> => {
		try {
			let body: string | ArrayBuffer = JSON.stringify({ writeKey, sentAt: Date.now(), events });
			let headers = {};
			if (
				!isLast &&
				!isPlain &&
				body.length > largeBody &&
				window.CompressionStream &&
				// Elsewhere a header costs a preflight. A string goes as text/plain;charset=UTF-8, which needs none.
				new URL(url, location as unknown as string).origin === location.origin
			) {
				headers = { "Content-Type": "text/plain", "Content-Encoding": "gzip" };
				// Not by way of blobs, which another process keeps.
				body = await new Response(
					(new Response(body).body as ReadableStream).pipeThrough(new CompressionStream("gzip")),
				).arrayBuffer();
			}
			return await readReply(
				await fetch(url, {
					method: "POST",
					body,
					headers,
					credentials: "omit",
					keepalive: isLast,
					signal: AbortSignal.timeout?.(timeoutMs),
				}),
				events.length,
			);
		} catch {
			return { _kind: "failed" };
		}
	};

	/** Says whether the next request is to follow at once; unless it is eager, a few events can wait. Never rejects. */
	const follow = async (events: Event[], reply: Reply, isEager?: boolean): Promise<boolean> => {
		if (reply._kind === "accepted") {
			const taken = events.filter((event) => {
				const why = reply._rejected.find((rejection) => rejection?.id === event.id);
				if (why?.code === "identity_token_expired") expiredTokens.add(event.person.token);
				else if (why) void queue._settle("rejected", [event], `${why.code}: ${why.message}`);
				return !why;
			});
			largest = batchEvents;
			if (pause.failures) wait(0, 0);
			await queue._settle("delivered", taken, "accepted");
			return deliverable().length >= (isEager ? 1 : atEvents);
		}
		isPlain = true;
		if (reply._kind === "refused") {
			largest = Math.ceil(events.length / 2);
			if (events.length === 1) await queue._settle("dropped", events, "refused");
			return true;
		}
		if (reply._kind === "stopped") {
			if (!isStopped) warn("stopped:", reply._code);
			isStopped = true;
		} else if (reply._kind === "wait") {
			wait(reply._ms, 0);
		} else {
			notify("error", "not delivered yet");
			wait(backoff(pause.failures, Math.random()), pause.failures + 1);
		}
		return false;
	};

	const run = async (isEager?: boolean) => {
		try {
			const sendNext = async (): Promise<boolean> => {
				await queue._sync();
				const events = take(deliverable(), batchBytes);
				return events.length > 0 && !mustWait(isEager) && follow(events, await post(events, false), isEager);
			};
			while (await inTurn(name, sendNext));
		} catch (cause) {
			notify("error", "not delivered yet", [], cause);
		}
		running = undefined;
		if (queue._list(true).length) wake(true);
	};

	const start = (isEager?: boolean): Promise<void> => {
		clearTimeout(timer);
		timer = soon = undefined;
		running ??= run(isEager);
		return running;
	};

	/**
	 * Something may be waiting: sends it in 5 s, whatever the pause, as it may be over before it was to be, in another
	 * tab too; 20 events sooner, unless they may be those that were just tried.
	 */
	const wake = (isTried?: unknown) => {
		if (!isTried && queue._pending.size >= atEvents && pause.until < Date.now()) soon ??= setTimeout(start, soonMs);
		else timer ??= setTimeout(start, everyMs);
	};

	return {
		_wake: wake,
		/** Tries all that is waiting now, also during our own backoff. Never rejects. */
		async _flush() {
			await running;
			await start(true);
		},
		/** Sends what it can while the page goes, purchases first. May overtake a request in flight. */
		_leave() {
			queue._spill();
			if (mustWait(true)) return;
			for (;;) {
				const batch = take(
					deliverable().sort((a, b) => +(b.type === "confirmation") - +(a.type === "confirmation")),
					room,
				);
				if (!batch.length) return;
				const bytes = size(batch);
				room -= bytes;
				for (const { id } of batch) leaving.add(id);
				void post(batch, true).then((reply) => {
					room += bytes;
					for (const { id } of batch) leaving.delete(id);
					return follow(batch, reply);
				});
			}
		},
	};
}
