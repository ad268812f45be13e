import type { Event } from "../shared/event.ts";
import { attempt } from "./attempt.ts";
import { isBot } from "./bots.ts";
import { readContext } from "./context.ts";
import type { Data, Tracker, TrackerOptions, TrackerState } from "./contract.ts";
import { type Fact, readFact } from "./facts.ts";
import { createFlusher } from "./flusher.ts";
import { afterLogin, type Identity, isIdentified, type Login, readIdentity, readLogin } from "./identity.ts";
import { readLocal, writeLocal } from "./local.ts";
import { createNotices } from "./notices.ts";
import { readClock } from "./originals.ts";
import { createQueue } from "./queue.ts";
import { checkText, refuse } from "./text.ts";
import { createIds } from "./uuid.ts";

/** Value stored in the place of the identity once the visitor has opted out. */
const optedOut = "opted out";
/** Interval in ms between searches of the store for events that a closed tab has left. */
const idleMs = 15_000;

/** Last argument of the methods that record an event, which `adopt()` alone gives: the vendor whose call it was. */
type Origin = Pick<NonNullable<Event["context"]>, "via">;

/**
 * Creates the tracker of a page. `Events` maps event names to the types of their data; by default every name and every
 * JSON object is allowed. Without a document, as in server-side rendering, the tracker records nothing. Trackers of one
 * write key in one window share the visitor and the consent.
 * @param now Clock of capture times, ms since the epoch.
 * @throws TypeError if `proxy` or `writeKey` is missing or invalid.
 */
export const createTracker = <Events = Record<string, Data>>(
	options: TrackerOptions,
	now: () => number = readClock,
): Tracker<Events> => {
	const { writeKey, proxy } = options;
	if (!/^(https?:\/\/[^\s/?#]|\/)[^\s?#]*$/.test(proxy)) {
		refuse(`proxy: not a URL or path: ${proxy}`);
	}
	checkText(writeKey, 200, "writeKey");

	const name = `eventferry:${writeKey}`;
	/** Key of a stored `optIn()`, which overrules Global Privacy Control. */
	const optInKey = `${name}:in`;
	const [on, notify] = createNotices(options.debug);
	const newId = createIds(now);
	/** Consent while the visitor has not opted out. */
	let given: TrackerState["consent"] = options.consent ?? "granted";
	let consent = given;
	const newcomer: Identity = { anonymousId: newId(), isNew: true };
	let identity = newcomer;
	/** Identity that this page began with, to tell whether the page has changed it. */
	let initial = identity;
	let isSilent = typeof document !== "object";
	let isStarted = false;
	/**
	 * True while listeners of `pagehide` or `visibilitychange` run. Events that the page's listeners capture then are sent
	 * by one more `leave()`: the first such event schedules it and sets this to false.
	 */
	let isLeaving: boolean | undefined;

	const queue = createQueue(
		name,
		() => identity,
		() => isStarted,
		notify,
	);
	const flusher = createFlusher(name, proxy.replace(/\/*$/, "/v1/batch"), writeKey, queue, notify);

	const safely = (work: () => void, type?: Fact["type"]) => {
		try {
			work();
		} catch (cause) {
			notify("rejected", (cause as Error)?.message, [], cause, type);
		}
	};

	/**
	 * Tells all copies of the tracker in this window of a change, so that they share the visitor and the consent: an
	 * identity, `optedOut`, or true for `optIn()`. Any other object gets the state of an earlier copy.
	 */
	const share = (detail: unknown) => attempt(() => dispatchEvent(new CustomEvent(name, { detail })));

	/** Makes a change here and in all copies. This copy hears of it twice, or once if the page has broken events. */
	const tell = (detail: typeof optedOut | true | Identity) => {
		if (isSilent) return;
		attempt(() => hear({ detail }));
		share(detail);
	};

	const record = (type: Fact["type"], read: () => Omit<Fact, "type"> & { login?: Login }, origin?: Origin) =>
		safely(() => {
			if (isSilent || consent === "denied") return notify("dropped", isSilent ? "bot" : optedOut);
			const { login, ...fact } = readFact({ type, ...read() });
			if (login) tell(afterLogin(identity, login, newId));
			const { isNew, ...person } = identity;
			if (options.beforeLogin === "drop" && !isIdentified(person)) return notify("dropped", "before login");
			let context = readContext(type === "page");
			if (origin?.via) context = { ...context, via: origin.via };
			queue._capture({ id: newId(), at: now(), ...fact, person, context } as Event);
			if (isStarted && isIdentified(person)) flusher._wake();
			if (isLeaving) queueMicrotask(leave);
			isLeaving = false;
		}, type);

	/** Begins to store and send events, unless it has begun or consent or prerendering forbids it. */
	const start = () => {
		if (
			isStarted ||
			isSilent ||
			consent !== "granted" ||
			(document as { prerendering?: unknown }).prerendering === true
		)
			return;
		isStarted = true;
		// Another tab may have identified the visitor meanwhile.
		if (identity === initial) identity = readIdentity(readLocal(name)) ?? identity;
		queue._assign();
		// A newcomer's store is empty, and is not read because its first use takes 1 ms. A failed read is repeated, and its
		// error reported, before events are sent.
		if (!writeLocal(name, identity) || identity !== newcomer) queue._sync().then(flusher._wake, flusher._wake);
	};

	const stop = () => {
		consent = "denied";
		isStarted = false;
		identity = initial = { anonymousId: newId() };
		queue._wipe();
	};

	const hear = ({ detail }: { detail: typeof optedOut | true | Identity }) => {
		if (detail === optedOut) {
			stop();
			writeLocal(name, optedOut);
		} else if (detail === true) {
			consent = given = "granted";
			writeLocal(optInKey, true);
			start();
		} else if (detail.anonymousId) {
			identity = detail;
			if (isStarted) writeLocal(name, identity);
			queue._assign();
		} else Object.assign(detail, { seen: identity, consent });
	};

	/** Takes over the identity and the consent that another tab has stored. */
	const adoptStored = () => {
		const stored = readLocal(name);
		if (stored === optedOut) stop();
		const newer = readIdentity(stored);
		if (!newer) return;
		consent = given;
		if (!isStarted) return start();
		identity = newer;
		queue._assign(true);
		flusher._wake();
	};

	const flush = async () => {
		if (isStarted) await flusher._flush();
	};

	const leave = () => {
		if (!isStarted) return;
		isLeaving = true;
		flusher._leave();
		setTimeout(() => {
			isLeaving = false;
		});
	};

	const listen = () => {
		addEventListener(name, hear as unknown as EventListener);
		// Phones kill hidden pages without pagehide. https://developer.chrome.com/docs/web-platform/page-lifecycle-api
		// Markup such as `<img name="addEventListener">` takes a name of the document, but none of the window's methods.
		// https://html.spec.whatwg.org/multipage/dom.html#dom-document-nameditem
		addEventListener("visibilitychange", () => document.visibilityState !== "visible" && leave(), true);
		addEventListener("prerenderingchange", start, true);
		addEventListener("pagehide", leave);
		// Pages in the back/forward cache get no storage events.
		addEventListener("pageshow", (event) => event.persisted && adoptStored());
		addEventListener("storage", (event) => event.key === name && adoptStored());
		addEventListener("online", flush);
		attempt(() => setInterval(() => isStarted && flusher._wake(), idleMs));
	};

	safely(() => {
		isSilent ||= (options.isBot ?? isBot)();
	});
	if (!isSilent) {
		const earlier: { seen?: unknown; consent?: TrackerState["consent"] } = {};
		share(earlier);
		consent = given = earlier.consent ?? given;
		const stored = readLocal(name) ?? earlier.seen;
		if (stored === optedOut) consent = "denied";
		identity = initial = readIdentity(stored) ?? identity;
		listen();
		if (
			options.respectGpc &&
			(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl &&
			!readLocal(optInKey)
		) {
			tell(optedOut);
		}
		start();
	}

	return {
		track: (name, data?: unknown, options?: unknown) =>
			record(
				"track",
				() => ({ name, data: data as Data, color: (options as Fact | undefined)?.color }),
				options as Origin,
			),
		login: (input, origin?: Origin) =>
			record("login", () => ({ data: input.attributes as Data, login: readLogin(input) }), origin),
		update: (data, origin?: Origin) => record("update", () => ({ data }), origin),
		confirmation: (data, origin?: Origin) => record("confirmation", () => ({ data }), origin),
		page: (origin?: Origin) => record("page", () => ({}), origin),
		reset: () => void tell({ anonymousId: newId() }),
		optOut: () => void tell(optedOut),
		optIn: () => void tell(true),
		flush,
		state() {
			const { token, isNew, ...visitor } = identity;
			return { ...visitor, waiting: queue._list(true).length, held: queue._list(false).length, consent };
		},
		on,
	};
};
