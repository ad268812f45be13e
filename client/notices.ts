import type { Event } from "../shared/event.ts";

/**
 * Kinds of notices: events were `delivered`; an event, or a call, was `rejected` as invalid; events were `dropped`, as
 * they are not wanted or too many; or an `error` delays delivery.
 */
export type NoticeKind = "delivered" | "rejected" | "dropped" | "error";

/** Outcome for some events, or a failure of the tracker. */
export interface Notice {
	/** Reason in words, without ids and e-mails. */
	reason: string;
	/** Events concerned. Empty if a call was refused before it became an event. */
	events: readonly Event[];
	/** Error behind the notice, if any. */
	cause?: unknown;
}
/** Function that is called with each notice of a kind. */
export type Listener = (notice: Notice) => void;
export type Notify = (
	kind: NoticeKind,
	reason: string,
	events?: readonly Event[],
	cause?: unknown,
	type?: Event["type"],
) => void;

/** Writes a line to the console, in a microtask, so that a console that throws does not interrupt the tracker. */
export const warn = (...words: unknown[]): void => {
	// biome-ignore lint/suspicious/noConsole: the page's developer reads it there
	queueMicrotask(() => console.warn("eventferry:", ...words));
};

/** Creates `on()`, which adds a listener, and `notify()`, which calls them and with `debug` writes to the console. */
export const createNotices = (debug?: boolean) => {
	const listeners = new Set<[NoticeKind, Listener]>();

	const on = (...added: [NoticeKind, Listener]) => {
		listeners.add(added);
		return () => listeners.delete(added);
	};

	const notify: Notify = (kind, reason, events = [], cause, type = events[0]?.type) => {
		// A refused login or purchase is a mistake in the page, which its developer must see.
		if (debug || (kind === "rejected" && /login|conf/.test(type as string))) warn(`${kind}:`, reason);
		// Calls listeners in microtasks: one that throws interrupts nothing, and the browser still reports its error.
		listeners.forEach((added) => {
			if (added[0] === kind) queueMicrotask(() => added[1]({ reason, events, cause }));
		});
	};

	return { _on: on, _notify: notify };
};
