import type { Event } from "../shared/event.ts";
import { isBot } from "./bots.ts";
import { readContext } from "./context.ts";
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
/** How often a page with nothing to send looks for what a tab that died has left. */
const idleMs = 15_000;

/**
 * Creates the tracker of a page. `Events` maps event names to their data; without it any name and any JSON object go.
 * Where there is no document (server-side rendering) it records nothing. `now` is when what is recorded happens.
 * @throws TypeError where `proxy` or `writeKey` is missing or invalid.
 */
export function createTracker<Events = Record<string, Data>>(
	options: TrackerOptions,
	now: () => number = Date.now,
): Tracker<Events> {
	const { writeKey, proxy } = options;
	if (!/^(https?:\/\/[^\s/?#]|\/)[^\s?#]*$/.test(proxy)) {
		refuse("proxy: not a URL or path");
	}
	checkText(writeKey, 200, "writeKey");

	const name = `eventferry:${writeKey}`;
	/** Where an `optIn()` is remembered, which Global Privacy Control does not overrule. */
	const choice = `${name}:in`;
	const [on, notify] = createNotices(options.debug);
	const newId = createIds(now);
	/** What it is while nobody has opted out. */
	let unless: TrackerState["consent"] = options.consent ?? "granted";
	let consent = unless;
	const newcomer: Identity = { anonymousId: newId(), isNew: true };
	let identity = newcomer;
	/** Who was found here, not whom this page has made of them. */
	let found = identity;
	let isSilent = typeof document !== "object";
	let isStarted = false;
	/** In the task in which the page goes: what its own listeners capture after ours goes too. */
	let isLeaving: boolean | undefined;

	const queue = createQueue(name, () => identity, notify);
	const flusher = createFlusher(name, proxy.replace(/\/*$/, "/v1/batch"), writeKey, queue, notify);

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
		queue._claim();
	};

	const record = (type: Fact["type"], read: () => Omit<Fact, "type"> & { login?: Login }) =>
		safely(() => {
			if (isSilent || consent === "denied") return notify("dropped", isSilent ? "bot" : optedOut);
			const { login, ...fact } = readFact({ type, ...read() });
			if (login) become(afterLogin(identity, login, newId));
			const { isNew, ...person } = identity;
			if (options.beforeLogin === "drop" && !isKnown(person)) return notify("dropped", "before login");
			queue._capture({ id: newId(), at: now(), ...fact, person, context: readContext() } as Event);
			if (isStarted && isKnown(person)) flusher._wake();
			if (isLeaving) queueMicrotask(leave);
			isLeaving = false;
		});

	/** From here on things are stored and sent. */
	const start = () => {
		if (isStarted || isSilent || consent !== "granted" || (document as { prerendering?: boolean }).prerendering) return;
		isStarted = true;
		// Another tab may have come to know them meanwhile.
		if (identity === found) identity = readIdentity(readLocal(name)) ?? identity;
		queue._begin();
		// Of a newcomer nothing is stored, as good as always: the next look will do. The first use of IndexedDB costs 1 ms.
		if (!writeLocal(name, identity) || identity !== newcomer) queue._sync().then(flusher._wake, flusher._wake);
	};

	const stop = () => {
		consent = "denied";
		isStarted = false;
		identity = found = { anonymousId: newId() };
		queue._wipe();
	};

	const optOut = () => {
		if (isSilent) return;
		stop();
		writeLocal(name, optedOut);
	};

	/** Another tab may have changed who the visitor is, or their consent. */
	const follow = () => {
		const stored = readLocal(name);
		if (stored === optedOut) stop();
		const newer = readIdentity(stored);
		if (!newer) return;
		consent = unless;
		if (!isStarted) return start();
		identity = newer;
		queue._claim(true);
		flusher._wake();
	};

	const flush = async () => {
		if (isStarted) await flusher._flush();
	};

	const leave = () => {
		if (!isStarted) return;
		isLeaving = true;
		setTimeout(() => {
			isLeaving = false;
		});
		flusher._leave();
	};

	const listen = () => {
		document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && leave());
		document.addEventListener("prerenderingchange", start);
		addEventListener("pagehide", leave);
		addEventListener("pageshow", (event) => event.persisted && follow());
		addEventListener("storage", (event) => event.key === name && follow());
		addEventListener("online", flush);
		setInterval(() => isStarted && flusher._wake(), idleMs);
	};

	safely(() => {
		isSilent ||= (options.isBot ?? isBot)();
	});
	if (!isSilent) {
		const stored = readLocal(name);
		if (stored === optedOut) consent = "denied";
		identity = found = readIdentity(stored) ?? identity;
		if (
			options.respectGpc &&
			(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl &&
			!readLocal(choice)
		) {
			optOut();
		}
		listen();
		start();
	}

	return {
		track: (name, data?: unknown, options?: unknown) =>
			record("track", () => ({ name, data: data as Data, color: (options as Fact | undefined)?.color })),
		login: (input) => record("login", () => ({ data: input.attributes, login: readLogin(input) })),
		update: (data) => record("update", () => ({ data })),
		confirmation: (data) => record("confirmation", () => ({ data })),
		page: () => record("page", () => ({})),
		reset: () => become({ anonymousId: newId() }),
		optOut,
		optIn: () => {
			consent = unless = "granted";
			writeLocal(choice, true);
			start();
		},
		flush,
		state() {
			const { token, isNew, ...visitor } = identity;
			return { ...visitor, waiting: queue._list(true).length, held: queue._list(false).length, consent };
		},
		on,
	};
}
