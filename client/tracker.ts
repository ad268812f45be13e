import type { Event } from "../shared/event.ts";
import { attempt } from "./attempt.ts";
import { isBot } from "./bots.ts";
import { readContext } from "./context.ts";
import type { Data, Tracker, TrackerOptions, TrackerState, TrackOptions } from "./contract.ts";
import { copyData, type Fact, readAttributes, readEventName, readOrder } from "./facts.ts";
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
/** Change that copies of the tracker share: the visitor, or the consent, which is true for `optIn()`. */
type Change = typeof optedOut | true | Identity;
/** State that a new copy takes over from an earlier one. */
interface State {
	person: Identity;
	consent: TrackerState["consent"];
}
type Copy = (change?: Change) => unknown;
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
	if (!/^(https?:\/\/[^/]|\/)[^\s?#]*$/.test(proxy)) refuse(`proxy: not a URL: ${proxy}`);
	checkText(writeKey, 200, "writeKey");

	const name = `eventferry:${writeKey}`;
	/** Key of a stored `optIn()`, which overrules Global Privacy Control. */
	const optInKey = `${name}:in`;
	const { _on: on, _notify: notify } = createNotices(options.debug);
	const newId = createIds(now);
	/** Consent while the visitor has not opted out. */
	let given: TrackerState["consent"] = options.consent ?? "granted";
	let consent = given;
	const newcomer: Identity = { anonymousId: newId(), isNew: true };
	let identity = newcomer;
	/** Identity that this page began with, to tell whether the page has changed it. */
	let initial = identity;
	const isSilent = typeof document !== "object" || attempt(options.isBot ?? isBot);
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
	const {
		_wake: wake,
		_flush: sendAll,
		_leave: sendLast,
	} = createFlusher(name, proxy.replace(/\/*$/, "/v1/batch"), writeKey, queue, notify);

	/** Copies of the tracker in this window, by a symbol, as markup may take any other name. */
	// biome-ignore lint/suspicious/noAssignInExpressions: shorter
	const copies: Copy[] = ((globalThis as unknown as Record<symbol, Copy[]>)[Symbol.for(name)] ??= []);

	/** Tells all copies of a change, so that they share the visitor and the consent. */
	const tell = (change: Change) => copies.forEach((copy) => copy(change));

	const record = (type: Event["type"], read: () => Fact & { login?: Login }, origin?: Origin) => {
		try {
			const why = isSilent ? "bot" : consent === "denied" && optedOut;
			if (why) return notify("dropped", why);
			const { login, ...fact } = read();
			fact.data = copyData(fact.data);
			if (login) tell(afterLogin(identity, login, newId));
			const { isNew, ...person } = identity;
			if (options.beforeLogin === "drop" && !isIdentified(person)) return notify("dropped", "before login");
			const context = readContext(type === "page", origin?.via);
			queue._capture({ id: newId(), type, at: now(), ...fact, person, context } as Event);
			if (isStarted && isIdentified(person)) wake();
			if (isLeaving) queueMicrotask(leave);
			isLeaving = false;
		} catch (cause) {
			notify("rejected", (cause as Error)?.message, [], cause, type);
		}
	};

	/** Begins to store and send events, unless it has begun or consent or prerendering forbids it. */
	const start = () => {
		if (isStarted || consent !== "granted" || (document as { prerendering?: unknown }).prerendering === true) return;
		isStarted = true;
		// Another tab may have identified the visitor meanwhile.
		if (identity === initial) identity = readIdentity(readLocal(name)) ?? identity;
		queue._assign();
		// A newcomer's store is empty, and is not read because its first use takes 1 ms. A failed read is repeated, and its
		// error reported, before events are sent.
		if (!writeLocal(name, identity) || identity !== newcomer) queue._sync().then(wake, wake);
	};

	const stop = () => {
		consent = "denied";
		isStarted = false;
		identity = initial = { anonymousId: newId() };
		queue._wipe();
	};

	/**
	 * Takes over a change, if there is one. Returns the state.
	 * @param isFollower True if another tab has stored the change, which another page's consent does not end.
	 */
	const hear = (detail?: Change, isFollower?: boolean): unknown => {
		// A follower writes nothing back, as tabs would answer each other for ever.
		if (detail === optedOut) {
			stop();
			if (!isFollower) writeLocal(name, optedOut);
		} else if (detail === true) {
			consent = given = "granted";
			writeLocal(optInKey, true);
			start();
		} else if (detail?.anonymousId) {
			if (isFollower) {
				consent = given;
				if (!isStarted) return start();
				wake();
			}
			identity = detail;
			if (isStarted && !isFollower) writeLocal(name, identity);
			queue._assign(isFollower);
		}
		return { person: identity, consent };
	};

	/** Takes over the identity and the consent that another tab has stored. */
	const adoptStored = () => hear(readLocal(name) as Change, true);

	const flush = async () => {
		if (isStarted) await sendAll();
	};

	const leave = () => {
		if (!isStarted) return;
		isLeaving = true;
		sendLast();
		setTimeout(() => {
			isLeaving = false;
		});
	};

	const listen = () => {
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
		attempt(() => setInterval(() => isStarted && wake(), idleMs));
	};

	if (!isSilent) {
		const earlier = copies[0]?.() as State | undefined;
		const stored = earlier?.person ?? readLocal(name);
		consent = given = earlier?.consent ?? given;
		if (stored === optedOut) consent = "denied";
		identity = initial = readIdentity(stored) ?? identity;
		copies.push(hear);
		listen();
		if (
			options.respectGpc &&
			!readLocal(optInKey) &&
			(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl
		) {
			tell(optedOut);
		}
		start();
	}

	return {
		track: (name, data?: unknown, options?: unknown) =>
			record(
				"track",
				() => ({
					data: data as Fact["data"],
					name: readEventName(name),
					color: (options as TrackOptions | undefined)?.color,
				}),
				options as Origin,
			),
		login: (input, origin?: Origin) =>
			record("login", () => ({ data: readAttributes(input.attributes), login: readLogin(input) }), origin),
		update: (data, origin?: Origin) => record("update", () => ({ data }), origin),
		confirmation: (order, origin?: Origin) => record("confirmation", () => ({ data: readOrder(order) }), origin),
		page: (origin?: Origin) => record("page", () => ({}), origin),
		reset: () => tell({ anonymousId: newId() }),
		optOut: () => tell(optedOut),
		optIn: () => tell(true),
		flush,
		state() {
			const { token, isNew, ...visitor } = identity;
			return { ...visitor, waiting: queue._list(true).length, held: queue._list(false).length, consent };
		},
		on,
	};
};
