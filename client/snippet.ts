import { trackClicks } from "./clicks.ts";
import type { Command, ScriptTag } from "./contract.ts";
import { warn } from "./notices.ts";
import { trackPages } from "./pages.ts";
import { createTracker } from "./tracker.ts";

declare global {
	interface Window {
		eventferry?: ScriptTag;
	}
}

function load(): void {
	const stub = window.eventferry;
	if (stub && !Array.isArray(stub)) return;
	const script = document.currentScript as HTMLScriptElement;
	const { writeKey, proxy, pages, clicks, consent, debug, ...unknown } = script.dataset;
	for (const key in unknown) warn("unknown attribute", key);
	/** When the command that is being carried out was collected. */
	let when: number | undefined;
	const tracker = createTracker(
		{
			proxy: proxy ?? new URL(".", script.src).href,
			writeKey: writeKey as string,
			consent: consent as "granted",
			debug: debug != null,
		},
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
	if (clicks !== "off") trackClicks(tracker);
	if ((pages ?? "off") !== "off") trackPages(tracker);
}

try {
	load();
} catch (cause) {
	warn(String(cause));
}
