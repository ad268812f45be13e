import type { Event, Limits } from "../shared/event.ts";
import { attempt, within } from "./attempt.ts";
import { readLocal, writeLocal } from "./local.ts";
import { type Notify, warn } from "./notices.ts";
import { parseJson, readClock, toJson } from "./originals.ts";
import type { Queue } from "./queue.ts";
import { backoff, longestWait, type Reply, readReply } from "./reply.ts";
import { createTabLock } from "./tab-lock.ts";
import { byteLength, refuse } from "./text.ts";

const batchEvents: Limits["batchEvents"] = 100;
/**
 * Maximum size of a request's events, in bytes. Browsers allow 64 KiB for all keepalive requests in flight together.
 * https://developer.mozilla.org/docs/Web/API/RequestInit#keepalive
 */
const batchBytes = 60_000;
/**
 * Maximum size in bytes of the first request of a page that unloads. It fits beside `batchBytes` of the page before, as
 * pages of an origin may share the browser's limit.
 */
const firstBytes = 4_000;
/** Time in ms after which waiting events are sent. */
const sendMs = 5_000;
/** Number of waiting events from which sending starts after `gatherMs`. */
const manyEvents = 20;
/**
 * Time in ms for which 20 or more events wait, so that events captured together share a request: a request costs the
 * page as much as capturing 20 events.
 */
const gatherMs = 150;
/** Time limit in ms of a request, from compression to the end of the answer. */
const timeoutMs = 10_000;
/** Length in characters from which a body is compressed. */
const largeBody = 2_000;

/**
 * Pause in sending, shared by all tabs in localStorage: the time at which it ends, the number of failures, which is 0 if
 * the proxy asked for the pause, and true after a compressed body has failed, as a firewall may refuse gzip, until an
 * uncompressed one fails too.
 */
type Pause = [until: number, failures: number, isPlain?: boolean | undefined];

const size = (value: unknown) => byteLength(toJson(value)) + 1;

/** Creates the sender of waiting events. All tabs together send one request at a time, except while a page unloads. */
export const createFlusher = (name: string, path: string, writeKey: string, queue: Queue, notify: Notify) => {
	const pauseKey = `${name}:pause`;
	const withTabLock = createTabLock(name);
	// A frame with `srcdoc` has its parent's origin, which its location does not tell. A sandboxed frame has none, but its
	// location may have one. On a server there is no page.
	const here = attempt(() => [location.origin, window.origin].find((origin) => origin !== "null"));
	// Without `URL`, in whose place pages have an address of theirs.
	const url = path[0] !== "/" ? path : here && here + path;
	let pause: Pause = [0, 0];
	/** The pause before the last request, if the browser ended that without an answer. */
	let undo: Pause | undefined;
	/** True after the page was hidden or left, until it sends again. */
	let isLeft = false;
	/** Ids of events that were handed to the browser, with no answer yet. */
	const leaving = new Set<string>();
	/** Number of bytes left for more keepalive requests. */
	let room = batchBytes;
	/** Tokens that have expired. Events with one of them wait for the next token of that person. */
	const expiredTokens = new Set<string | undefined>();
	/** Maximum number of events in a request. Halved when a batch is refused, and 0 once nothing can be sent. */
	let largest: number = batchEvents;
	let timer: ReturnType<typeof setTimeout> | undefined;
	let gathering: typeof timer;
	let running: Promise<void> | undefined;

	/** @param isEager True to ignore a backoff, but not a pause that the proxy asked for. */
	const mustWait = (isEager?: boolean): boolean => {
		// Another tab or an earlier page may have set a newer pause.
		pause = (readLocal(pauseKey) as Pause | null) ?? pause;
		const left = pause[0] - readClock();
		return left > 0 && left <= longestWait && !(isEager && pause[1]);
	};

	const wait = (ms: number, failures: number, isPlain = pause[2]) => {
		pause = [readClock() + ms, failures, isPlain];
		writeLocal(pauseKey, pause);
	};

	const deliverable = () =>
		queue._list(true).filter((event) => !leaving.has(event.id) && !expiredTokens.has(event.person.token));

	/** Takes the first events, as many as fit into `left` bytes, but always one: a large purchase goes alone. */
	const take = (events: Event[], left: number): Event[] =>
		events.slice(0, largest).filter((event, index) => {
			left -= size(event);
			return left >= 0 || !index;
		});

	/**
	 * Sends a batch. Never rejects; resolves to true if another request should follow at once.
	 * @param isLast True while the page unloads: the request is sent before anything is awaited, and outlives the page.
	 * @param isEager True to send another request if any event waits, not only if 20 or more do.
	 */
	const send = async (events: Event[], isLast: boolean, isEager?: boolean): Promise<boolean> => {
		let isZipped = false;
		let asked: Promise<Response> | undefined;
		const reply: Reply = await within(timeoutMs, async (signal): Promise<Reply> => {
			if (!url) return { _stop: "proxy: not a URL" };
			const text = toJson({ writeKey, sentAt: readClock(), events });
			// A `JSON` that was broken before this script started sends nothing rather than half of the events.
			if ((parseJson(text) as { events: Event[] }).events.length !== events.length) refuse("JSON");
			// To another origin, the Content-Encoding header would cost a preflight; a string sent as text/plain does not.
			// https://developer.mozilla.org/docs/Web/HTTP/Guides/CORS#simple_requests
			isZipped =
				!isLast && !pause[2] && text.length > largeBody && window.origin !== "null" && url.startsWith(`${here}/`);
			const request: RequestInit = {
				method: "POST",
				body: text,
				keepalive: isLast,
				signal: signal as AbortSignal,
			};
			if (isZipped) {
				request.headers = { "Content-Type": "text/plain", "Content-Encoding": "gzip" };
				// Streams instead of a Blob, which Chromium keeps in another process.
				// https://chromium.googlesource.com/chromium/src/+/HEAD/storage/browser/blob/README.md
				request.body = await new Response(
					(new Response(text).body as ReadableStream).pipeThrough(new CompressionStream("gzip")),
				).arrayBuffer();
			}
			// A page may have a `fetch` that throws. While it unloads, the browser may have no room beside another page's
			// requests. Then the text is sent in another way, without an answer if need be.
			asked = attempt(() => fetch(url, request));
			let response = await asked?.catch((cause) => {
				if (!isLast) throw cause;
			});
			if (!response) {
				if (attempt(() => navigator.sendBeacon(url, text))) {
					events.forEach(({ id }) => leaving.add(id));
					return { _isLost: 1 };
				}
				response = await fetch(url, { ...request, keepalive: false });
			}
			return readReply(response);
		}).catch(() => ({ _isLost: asked }));
		undo = (reply._isLost && pause) as typeof undo;
		if (isLast) {
			events.forEach(({ id }) => leaving.delete(id));
			if (!leaving.size) room = batchBytes;
		}
		if (reply._rejected) {
			const taken = events.filter((event) => {
				const rejection = reply._rejected?.find((rejection) => rejection?.id === event.id);
				if (/expired/.test(rejection?.code as string)) expiredTokens.add(event.person.token);
				else if (rejection) void queue._settle("rejected", [event], `${rejection.code}: ${rejection.message}`);
				return !rejection;
			});
			largest = batchEvents;
			if (pause[1]) wait(0, 0);
			await queue._settle("delivered", taken, "accepted");
			return deliverable().length >= (isEager ? 1 : manyEvents);
		}
		if (reply._refusal && events.length > 1) {
			largest = Math.ceil(events.length / 2);
			return true;
		}
		if (reply._stop) {
			if (largest) warn("stopped:", reply._stop);
			largest = 0;
		} else if (reply._ms) {
			wait(reply._ms, 0);
		} else if (isZipped && !reply._isLost) {
			wait(0, pause[1], true);
			return send(events, isLast, isEager);
		} else if (reply._refusal === "body_too_large") {
			await queue._settle("dropped", events, "refused");
			return true;
		} else if (!reply._isLost || !isLeft) {
			notify("error", "not delivered yet");
			wait(backoff(pause[1], Math.random()), pause[1] + 1, isZipped);
		}
		return false;
	};

	const run = async (isEager?: boolean) => {
		try {
			const sendNext = async (): Promise<boolean> => {
				await queue._sync();
				const events = take(deliverable(), batchBytes);
				return events.length > 0 && !mustWait(isEager) && send(events, false, isEager);
			};
			while (await withTabLock(sendNext));
		} catch (cause) {
			notify("error", "not delivered yet", [], cause);
		}
		running = undefined;
		if (queue._list(true).length) wake(true);
	};

	const start = (isEager?: boolean): Promise<void> => {
		clearTimeout(timer);
		timer = gathering = undefined;
		isLeft = false;
		running ??= run(isEager);
		return running;
	};

	/**
	 * Schedules sending in 5 s, even during a pause, which another tab may end. From 20 events on schedules it in 150 ms.
	 * @param isTried True after an attempt to send, or the error of a failed read; then 20 events are not sent sooner.
	 */
	const wake = (isTried?: unknown) => {
		if (!isTried && queue._pending.size >= manyEvents && pause[0] < readClock()) {
			gathering ??= setTimeout(start, gatherMs);
		} else timer ??= setTimeout(start, sendMs);
	};

	/** Sends waiting events until none is left or a request fails, even during a backoff. Never rejects. */
	const flush = async () => {
		await running;
		await start(true);
	};

	/** Sends as many events as fit in keepalive requests, purchases first. May overtake a request under way. */
	const leave = () => {
		isLeft = true;
		// Browsers end a request because the page goes, some of them before they tell the page.
		if (undo) writeLocal(pauseKey, undo);
		queue._spill();
		if (mustWait(true)) return;
		// Three requests have room for more events than there are in `batchBytes`.
		[firstBytes, batchBytes, batchBytes].forEach((most) => {
			const batch = take(
				deliverable().sort((a, b) => +(b.type === "confirmation") - +(a.type === "confirmation")),
				Math.min(most, room),
			);
			if (batch.length) {
				room -= size(batch);
				batch.forEach(({ id }) => leaving.add(id));
				void send(batch, true);
			}
		});
	};

	return { _wake: wake, _flush: flush, _leave: leave };
};
