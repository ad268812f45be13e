import type { Event } from "../shared/event.ts";

export type NoticeKind = "delivered" | "rejected" | "dropped" | "error";

/** Something that happened to events, or to the tracker. */
export interface Notice {
	/** Why, in words without ids or e-mails. */
	reason: string;
	/** The events it happened to; none where they never became events. */
	events: readonly Event[];
	/** What was thrown, where something was. */
	cause?: unknown;
}
export type Listener = (notice: Notice) => void;
export type Notify = (kind: NoticeKind, reason: string, events?: readonly Event[], cause?: unknown) => void;

/** Writes a line to the console, in a microtask, so that a console that throws does not interrupt the tracker. */
export function warn(...what: unknown[]): void {
	// biome-ignore lint/suspicious/noConsole: the page's developer reads it there
	queueMicrotask(() => console.warn("eventferry:", ...what));
}

/** Hands notices to listeners and, with `debug`, to the console. */
export function createNotices(debug?: boolean) {
	const hearers = new Set<[NoticeKind, Listener]>();

	const on = (...hearer: [NoticeKind, Listener]) => {
		hearers.add(hearer);
		return () => hearers.delete(hearer);
	};

	const notify: Notify = (kind, reason, events = [], cause) => {
		if (debug) warn(`${kind} (${events.length}): ${reason}`);
		// Apart from us, so that a listener that throws stops nothing here and is still seen.
		for (const [wanted, listener] of hearers) {
			if (wanted === kind) queueMicrotask(() => listener({ reason, events, cause }));
		}
	};

	return [on, notify] as const;
}
