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
const timeoutMs = 10_000;

/** Nothing is sent before `until`: the proxy's wish where nothing has failed, else our backoff. */
interface Pause {
	until: number;
	failures: number;
}

const ids = (events: Event[]) => events.map(({ id }) => id);
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
	let timer: ReturnType<typeof setTimeout> | undefined;
	let running: Promise<void> | undefined;

	const mustWait = (isEager: boolean): boolean => {
		// Another tab, or an earlier page, may have learnt more.
		pause = (readLocal(pauseKey) as Pause | null) ?? pause;
		const left = pause.until - Date.now();
		return isStopped || (left > 0 && left <= longestWait && !(isEager && pause.failures));
	};

	const pauseUntil = (until: number, failures: number) => {
		pause = { until, failures };
		writeLocal(pauseKey, pause);
	};

	const deliverable = () =>
		[...queue.waiting.values()].filter(({ id, person }) => !leaving.has(id) && !expiredTokens.has(person.token));

	/** The first of them, as many as have room. */
	const take = (events: Event[], room: number): Event[] =>
		events.slice(0, largest).filter((event) => {
			room -= size(event);
			return room >= 0;
		});

	const post = (events: Event[], keepalive: boolean): Promise<Reply> =>
		fetch(url, {
			method: "POST",
			// A string goes as text/plain;charset=UTF-8, which needs no preflight.
			body: JSON.stringify({ writeKey, sentAt: Date.now(), events }),
			credentials: "omit",
			keepalive,
			signal: AbortSignal.timeout?.(timeoutMs),
		}).then(
			(response) => readReply(response, events.length),
			() => undefined,
		);

	/** Says whether the next request may follow at once. */
	const follow = (events: Event[], reply: Reply): boolean => {
		if (Array.isArray(reply)) {
			const taken = events.filter(({ id, person }) => {
				const why = reply.find((rejection) => rejection?.id === id);
				if (why?.code === "identity_token_expired") expiredTokens.add(person.token);
				else if (why) queue.settle("rejected", [id], why.code);
				return !why;
			});
			queue.settle("delivered", ids(taken), "on disk at the proxy");
			largest = batchEvents;
			// Written, not removed: other tabs are to know.
			if (pause.until) pauseUntil(0, 0);
			return true;
		}
		if (reply === "halve") {
			largest = Math.ceil(events.length / 2);
			if (events.length === 1) queue.settle("dropped", ids(events), "refused by the proxy");
			return true;
		}
		if (typeof reply === "object") {
			if (!isStopped) warn("stopped by the proxy:", reply.stop);
			isStopped = true;
		} else if (reply) {
			pauseUntil(Date.now() + reply, 0);
		} else {
			notify("error", "not delivered yet");
			pauseUntil(Date.now() + backoff(pause.failures, Math.random), pause.failures + 1);
		}
		return false;
	};

	const sendNext = async (isEager: boolean): Promise<boolean> => {
		if (mustWait(isEager)) return false;
		await queue.sync();
		const events = take(deliverable(), batchBytes);
		return events.length > 0 && follow(events, await post(events, false));
	};

	const run = async (isEager: boolean) => {
		try {
			while (await inTurn(name, () => sendNext(isEager)));
		} catch (cause) {
			notify("error", "not delivered yet", [], cause);
		}
	};

	const start = (isEager: boolean): Promise<void> => {
		running ??= run(isEager).then(() => {
			running = undefined;
			schedule();
		});
		return running;
	};

	/** Looks again soon, whatever the pause is: it may be over before it was to be, in another tab too. */
	const schedule = () => {
		if (isStopped || timer || !queue.waiting.size) return;
		timer = setTimeout(() => {
			timer = undefined;
			start(false);
		}, everyMs);
	};

	return {
		/** Something is waiting: sends soon, at 20 events at once. */
		wake() {
			if (queue.waiting.size >= atEvents && Date.now() >= pause.until) start(false);
			else schedule();
		},
		/** Tries all that is waiting now; if eager, also during our own backoff. Never rejects. */
		async flush(isEager: boolean) {
			await running;
			await start(isEager);
		},
		/** Sends what it can while the page goes, purchases first. May overtake a request in flight. */
		leave() {
			if (mustWait(true)) return;
			const isPurchase = ({ type }: Event) => Number(type === "confirmation");
			for (;;) {
				const batch = take(
					deliverable().sort((a, b) => isPurchase(b) - isPurchase(a)),
					room,
				);
				if (!batch.length) return;
				const bytes = size(batch);
				room -= bytes;
				for (const id of ids(batch)) leaving.add(id);
				post(batch, true).then((reply) => {
					room += bytes;
					for (const id of ids(batch)) leaving.delete(id);
					follow(batch, reply);
					schedule();
				});
			}
		},
	};
}
