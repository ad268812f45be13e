import { trackClicks } from "./clicks.ts";
import type { Command, ScriptTag, TrackerOptions } from "./contract.ts";
import { warn } from "./notices.ts";
import { trackPages } from "./pages.ts";
import { createTracker } from "./tracker.ts";

declare global {
	interface Window {
		eventferry?: ScriptTag;
	}
}

/** Values that switch an attribute on. Frameworks write `true` where HTML needs no value. */
const on = ["", "true"];
const off = "off";

/** Creates the tracker that the script tag's attributes describe, and carries out the commands collected so far. */
function load(): void {
	const stub = window.eventferry;
	// The page has the script twice.
	if (stub && "track" in stub) return;
	const script = document.currentScript as HTMLScriptElement;
	const { writeKey, proxy, pages, clicks, consent, debug } = script.dataset;
	// Regular expressions are avoided, as the first one takes a tenth of the script's start-up time.
	for (const [name, value] of Object.entries(script.dataset as Record<string, string>)) {
		const isKnown =
			name === "writeKey" ||
			name === "proxy" ||
			(name in { pages, clicks, debug } && [...on, off].includes(value)) ||
			(name === "consent" && ["denied", "granted", "pending"].includes(value));
		if (!isKnown) warn("unknown attribute", `${name}=${value}`);
	}
	/** Time at which the current command was collected. */
	let when: number | undefined;
	const tracker = createTracker(
		{
			proxy: proxy ?? new URL(".", script.src).href,
			writeKey,
			// An unknown value gives no consent.
			consent,
			debug: on.includes(debug as string),
		} as TrackerOptions,
		() => when ?? Date.now(),
	);
	const push = (...commands: Command[]) => {
		for (const command of commands) {
			try {
				const [name, ...args] = command;
				when = command.when;
				(tracker[name] as (...args: unknown[]) => unknown)(...args);
			} catch {
				// Methods do not throw, so the tracker has none of that name.
				warn("unknown command", command?.[0]);
			}
		}
		when = undefined;
	};
	window.eventferry = { ...tracker, push };
	push(...(stub ?? []));
	if (clicks !== off) trackClicks(tracker);
	if (on.includes(pages as string)) trackPages(tracker);
}

try {
	load();
} catch (cause) {
	warn(String(cause));
}
