import type { Event, Limits } from "../shared/event.ts";
import type { Rejection } from "../shared/wire.ts";
import { readLocal, removeLocal, writeLocal } from "./local.ts";
import { type Notify, warn } from "./notices.ts";
import type { Queue } from "./queue.ts";
import { backoff, type Reply, readReply } from "./reply.ts";
import { byteLength } from "./text.ts";

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
const noPause: Pause = { until: 0, failures: 0 };

const size = (event: Event) => byteLength(JSON.stringify(event)) + 1;

/** Sends what is waiting: one request at a time, in one tab at a time. */
export function createFlusher(name: string, url: string, writeKey: string, queue: Queue, notify: Notify) {
	const pauseKey = `${name}:pause`;
	let pause = noPause;
	/** What page-hide requests carry until they are answered, with its bytes. */
	const leaving = new Map<string, number>();
	/** Their events stay until a login brings that person's next token. */
	const expiredTokens = new Set<string | undefined>();
	let largest: number = batchEvents;
	let isStopped = false;
	let timer: ReturnType<typeof setTimeout> | undefined;
	let running: Promise<void> | undefined;

	const mustWait = (isEager: boolean): boolean => {
		// Another tab, or an earlier page, may have learnt more.
		pause = (readLocal(pauseKey) as Pause | null) ?? pause;
		return isStopped || (Date.now() < pause.until && !(isEager && pause.failures));
	};

	const waitFor = (ms: number, failures: number) => {
		pause = { until: Date.now() + ms, failures };
		writeLocal(pauseKey, pause);
	};

	const deliverable = () =>
		[...queue.waiting.values()].filter(({ id, person }) => !leaving.has(id) && !expiredTokens.has(person.token));

	const take = (events: Event[], room: number): Event[] => {
		let count = 0;
		for (const event of events.slice(0, largest)) {
			room -= size(event);
			if (room < 0) break;
			count++;
		}
		return events.slice(0, count);
	};

	const post = async (events: Event[], keepalive: boolean): Promise<Reply> => {
		try {
			// A string goes as text/plain;charset=UTF-8, which needs no preflight.
			return await readReply(
				await fetch(url, {
					method: "POST",
					body: JSON.stringify({ writeKey, sentAt: Date.now(), events }),
					credentials: "omit",
					keepalive,
					signal: AbortSignal.timeout?.(timeoutMs),
				}),
			);
		} catch {
			return undefined;
		}
	};

	const acknowledge = (events: Event[], rejected: Rejection[]) => {
		const taken: string[] = [];
		for (const { id, person } of events) {
			const why = rejected.find((rejection) => rejection?.id === id);
			if (!why) taken.push(id);
			else if (why.code === "identity_token_expired") expiredTokens.add(person.token);
			else queue.settle("rejected", [id], why.code);
		}
		queue.settle("delivered", taken, "on disk at the proxy");
	};

	/** Says whether the next request may follow at once. */
	const follow = (events: Event[], reply: Reply): boolean => {
		if (typeof reply === "object") {
			acknowledge(events, reply);
			largest = batchEvents;
			pause = noPause;
			removeLocal(pauseKey);
			return true;
		}
		if (reply === "halve") {
			largest = Math.ceil(events.length / 2);
			if (events.length === 1) queue.settle("dropped", [events[0]?.id ?? ""], "refused by the proxy");
			return true;
		}
		if (reply === "stop") {
			if (!isStopped) warn("write key or origin refused, stopped");
			isStopped = true;
		} else if (reply) {
			waitFor(reply, 0);
		} else {
			notify("error", "not delivered, trying again later");
			waitFor(backoff(pause.failures, Math.random), pause.failures + 1);
		}
		return false;
	};

	const sendNext = async (): Promise<boolean> => {
		await queue.sync();
		const events = take(deliverable(), batchBytes);
		return events.length > 0 && follow(events, await post(events, false));
	};

	/** The lock is held for one request only: a lasting one keeps the page out of the back/forward cache. */
	const alone = async (work: () => Promise<boolean>): Promise<boolean> =>
		navigator.locks ? navigator.locks.request(name, { ifAvailable: true }, (lock) => !!lock && work()) : work();

	const run = async (isEager: boolean) => {
		try {
			while (!mustWait(isEager) && (await alone(sendNext)));
		} catch (cause) {
			notify("error", "sending failed", [], cause);
		}
	};

	const start = (isEager: boolean): Promise<void> => {
		running ??= run(isEager).then(() => {
			running = undefined;
			schedule();
		});
		return running;
	};

	const schedule = () => {
		if (isStopped || timer || !queue.waiting.size) return;
		timer = setTimeout(
			() => {
				timer = undefined;
				start(false);
			},
			Math.max(everyMs, pause.until - Date.now()),
		);
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
			const isPurchase = (event: Event) => Number(event.type === "confirmation");
			for (;;) {
				const events = deliverable().sort((a, b) => isPurchase(b) - isPurchase(a));
				const room = [...leaving.values()].reduce((room, bytes) => room - bytes, batchBytes);
				const batch = take(events, room);
				if (!batch.length) return;
				for (const event of batch) leaving.set(event.id, size(event));
				post(batch, true).then((reply) => {
					for (const { id } of batch) leaving.delete(id);
					follow(batch, reply);
					schedule();
				});
			}
		},
	};
}
