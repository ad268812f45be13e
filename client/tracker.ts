import type { Event } from "../shared/event.ts";
import { isBot } from "./bots.ts";
import { createContext } from "./context.ts";
import type { Data, Tracker, TrackerOptions, TrackerState } from "./contract.ts";
import { type Fact, readFact } from "./facts.ts";
import { createFlusher } from "./flusher.ts";
import { afterLogin, type Identity, isKnown, type Login, readIdentity, readLogin } from "./identity.ts";
import { readLocal, writeLocal } from "./local.ts";
import { createNotices } from "./notices.ts";
import { createQueue } from "./queue.ts";
import { checkText, refuse } from "./text.ts";
import { createIds } from "./uuid.ts";

/** Stands in the place of the identity once the visitor has opted out. */
const optedOut = "opted out";

/**
 * Creates the tracker of a page. `Events` maps event names to their data; without it any name and any JSON object go.
 * Where there is no document (server-side rendering) it records nothing. `now` is when what is recorded happens.
 * @throws TypeError where `proxy` or `writeKey` is missing or invalid.
 */
export function createTracker<Events = Record<string, Data>>(
	options: TrackerOptions,
	now: () => number = Date.now,
): Tracker<Events> {
	const { proxy, writeKey } = options;
	if (!/^(https?:\/\/[^\s/?#]|\/)[^\s?#]*$/.test(proxy)) {
		refuse("proxy: no http(s) URL or path");
	}
	checkText(writeKey, 200, "writeKey");

	const name = `eventferry:${writeKey}`;
	const { on, notify } = createNotices(options.debug);
	const newId = createIds(Date.now);
	let consent: TrackerState["consent"] = options.consent && options.consent !== "granted" ? "pending" : "granted";
	let identity: Identity = { anonymousId: newId() };
	let isSilent = typeof document !== "object";
	let isStarted = false;

	const queue = createQueue(name, () => identity, notify);
	const flusher = createFlusher(name, `${proxy.replace(/\/+$/, "")}/v1/batch`, writeKey, queue, notify);
	let readContext: ReturnType<typeof createContext> | undefined;

	const safely = (work: () => void) => {
		try {
			work();
		} catch (cause) {
			notify("rejected", (cause as Error)?.message, [], cause);
		}
	};

	const become = (next: Identity) => {
		identity = next;
		if (isStarted) writeLocal(name, identity);
		queue.claim(true);
	};

	const record = (read: () => Fact & { login?: Login }) =>
		safely(() => {
			if (isSilent || consent === "denied") return notify("dropped", isSilent ? "bot or no page" : optedOut);
			const { login, ...fact } = readFact(read());
			if (login) become(afterLogin(identity, login, newId));
			if (options.beforeLogin === "drop" && !isKnown(identity)) return notify("dropped", "before a login");
			readContext ??= createContext();
			queue.add({
				id: newId(),
				at: now(),
				...fact,
				person: { ...identity },
				context: readContext(),
			} as Event);
			if (isStarted) flusher.wake();
		});

	/** From here on things are stored and sent. */
	const start = () => {
		if (isStarted || isSilent || consent !== "granted" || (document as { prerendering?: boolean }).prerendering) return;
		isStarted = true;
		const { anonymousId } = identity;
		// What was captured so far is this visitor's, whoever another tab has come to know them as.
		if (!isKnown(identity)) identity = readIdentity(readLocal(name)) ?? identity;
		writeLocal(name, identity);
		queue.claim(true, anonymousId);
		queue.open();
		const mark = newId();
		queue.sync().then(() => {
			// What was there before this page began has waited long enough.
			const [oldest = mark] = queue.waiting.keys();
			if (oldest < mark) flusher.flush(false);
		});
	};

	const stop = () => {
		consent = "denied";
		isStarted = false;
		identity = { anonymousId: newId() };
		queue.clear();
	};

	const optOut = () => {
		if (isSilent) return;
		stop();
		writeLocal(name, optedOut);
	};

	/** Another tab may have changed who the visitor is, or their consent. */
	const follow = () => {
		const stored = readLocal(name);
		const newer = readIdentity(stored);
		if (stored === optedOut && consent !== "denied") stop();
		if (!newer) return;
		if (consent === "denied") consent = "granted";
		if (!isStarted) return start();
		identity = newer;
		queue.claim(false);
		flusher.wake();
	};

	const leave = () => {
		if (!isStarted) return;
		queue.spill();
		flusher.leave();
	};

	const listen = () => {
		document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && leave());
		document.addEventListener("prerenderingchange", start);
		addEventListener("pagehide", leave);
		addEventListener("pageshow", ({ persisted }) => persisted && follow());
		addEventListener("storage", ({ key }) => key === name && follow());
		addEventListener("online", () => isStarted && flusher.flush(true));
	};

	safely(() => {
		isSilent ||= (options.isBot ?? isBot)();
		if (isSilent) return;
		const stored = readLocal(name);
		if (stored === optedOut) consent = "denied";
		identity = readIdentity(stored) ?? identity;
		if (options.respectGpc && (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl) optOut();
		listen();
		start();
	});

	return {
		track: (name, data?: unknown, options?: unknown) =>
			record(() => ({ type: "track", name, data, color: (options as Fact | undefined)?.color }) as Fact),
		login: (input) => record(() => ({ type: "login", data: input.attributes, login: readLogin(input) })),
		update: (data) => record(() => ({ type: "update", data })),
		confirmation: (data) => record(() => ({ type: "confirmation", data })),
		page: () => record(() => ({ type: "page" })),
		reset: () => safely(() => become({ anonymousId: newId() })),
		optOut: () => safely(optOut),
		optIn() {
			consent = "granted";
			start();
		},
		flush: async () => {
			if (isStarted) await flusher.flush(true);
		},
		state() {
			const { token, ...visitor } = identity;
			return { ...visitor, waiting: queue.waiting.size, held: queue.held.size, consent };
		},
		on,
	};
}
