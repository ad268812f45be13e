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

/** A switch that is on as soon as it is there; frameworks write `true`. */
const isOn = /^(true|)$/;
const isSwitch = /^(true|off|)$/;
const isText = /./;
const attributes: Record<string, RegExp> = {
	writeKey: isText,
	proxy: isText,
	consent: /^(granted|pending)$/,
	pages: isSwitch,
	clicks: isSwitch,
	debug: isSwitch,
};

function load(): void {
	const stub = window.eventferry;
	if (stub && !Array.isArray(stub)) return;
	const script = document.currentScript as HTMLScriptElement;
	const { writeKey, proxy, pages = "off", clicks, consent, debug = "off" } = script.dataset;
	for (const [name, value] of Object.entries(script.dataset)) {
		if (!attributes[name]?.test(value as string)) warn(`unknown attribute ${name}="${value}"`);
	}
	/** When the command that is being carried out was collected. */
	let when: number | undefined;
	const tracker = createTracker(
		{
			proxy: proxy ?? new URL(".", script.src).href,
			writeKey,
			consent,
			debug: isOn.test(debug),
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
	if (clicks !== "off") trackClicks(tracker);
	if (isOn.test(pages)) trackPages(tracker);
}

try {
	load();
} catch (cause) {
	warn(String(cause));
}
