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

/** A switch is on as soon as it is there; frameworks write `true`. */
const on = ["", "true"];
const off = "off";

function load(): void {
	const stub = window.eventferry;
	if (stub && "track" in stub) return;
	const script = document.currentScript as HTMLScriptElement;
	const { writeKey, proxy, pages, clicks, consent, debug } = script.dataset;
	// Without regular expressions, whose first use is a tenth of what the start costs.
	for (const [name, value] of Object.entries(script.dataset as Record<string, string>)) {
		const isKnown =
			name === "writeKey" ||
			name === "proxy" ||
			(name in { pages, clicks, debug } && [...on, off].includes(value)) ||
			(name === "consent" && ["denied", "granted", "pending"].includes(value));
		if (!isKnown) warn("unknown attribute", `${name}=${value}`);
	}
	/** When the command that is being carried out was collected. */
	let when: number | undefined;
	const tracker = createTracker(
		{
			proxy: proxy ?? new URL(".", script.src).href,
			writeKey,
			// What is misspelt is no consent.
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
				// No method throws, so there is none of that name.
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
