import { trackClicks } from "./clicks.ts";
import type { Tracker } from "./contract.ts";
import { warn } from "./notices.ts";
import { trackPages } from "./pages.ts";
import { createTracker } from "./tracker.ts";

/** `["track", "basket:item:added", { product: "iPhone X" }]`: a method's name and its arguments. */
type Command = [name: keyof Tracker, ...args: unknown[]];

declare global {
	interface Window {
		/** Before the script loads, the array that collects commands; then the tracker, whose `push` acts at once. */
		eventferry?: Command[] | (Tracker & { push(...commands: Command[]): void });
	}
}

function load(): void {
	const stub = window.eventferry;
	if (stub && !Array.isArray(stub)) return;
	const script = document.currentScript as HTMLScriptElement | null;
	if (!script) throw new TypeError("not in a script tag");
	const { writeKey = "", proxy, pages, clicks, consent, debug } = script.dataset;
	const tracker = createTracker({
		proxy: proxy ?? new URL(".", script.src).href,
		writeKey,
		consent: consent === "pending" ? consent : "granted",
		debug: debug !== undefined,
	});
	const push = (...commands: Command[]) => {
		for (const command of commands) {
			try {
				const [name, ...args] = command;
				(tracker[name] as (...args: unknown[]) => unknown)(...args);
			} catch {
				// No method throws, so there is none of that name.
				warn("unknown command", command?.[0]);
			}
		}
	};
	window.eventferry = { ...tracker, push };
	push(...(stub ?? []));
	if (clicks !== "off") trackClicks(tracker);
	if (pages !== undefined && pages !== "off") trackPages(tracker);
}

try {
	load();
} catch (cause) {
	warn(String(cause));
}
