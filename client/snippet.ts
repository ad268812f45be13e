import { attempt } from "./attempt.ts";
import { trackClicks } from "./clicks.ts";
import type { Command, ScriptSettings, ScriptTag, Tracker, TrackerOptions } from "./contract.ts";
import { warn } from "./notices.ts";
import { readClock } from "./originals.ts";
import { trackPages } from "./pages.ts";
import { refuse } from "./text.ts";
import { createTracker } from "./tracker.ts";

declare global {
	interface Window {
		eventferry?: ScriptTag;
		eventferryConfig?: ScriptSettings;
	}
}

/** Texts that switch an attribute on. Frameworks write `true` where HTML needs no value. */
const on = /^(|true)$/;
const off = /^o?f/;
const known = /^(|true|off|false|denied|granted|pending|undefined)$/;

/** Creates the tracker that the script tag's attributes describe, and carries out the commands collected so far. */
const load = (): void => {
	const stub: unknown = window.eventferry;
	// The page has the script twice. Markup such as `<a id="eventferry">` has no function there.
	if (attempt(() => (stub as Tracker).track.call)) return;
	// Reads past markup such as `<img name="currentScript">`, which takes a name of the document.
	// https://html.spec.whatwg.org/multipage/dom.html#dom-document-nameditem
	const current = Reflect.get(Document.prototype, "currentScript", document) as HTMLScriptElement | null;
	const script = current?.dataset.writeKey
		? current
		: (Document.prototype.querySelector.call(document, "script[data-write-key]") as HTMLScriptElement | null);
	// A spread copies nothing of an element whose id is the settings' name.
	const settings: ScriptSettings = { ...window.eventferryConfig, ...script?.dataset };
	const { writeKey, proxy, pages, clicks, debug } = settings;
	const source = script?.src ? script : current;
	if (!writeKey) refuse("no data-write-key");
	(["pages", "clicks", "debug", "consent"] as const).forEach((name) => {
		if (!known.test(settings[name] as string)) warn("unknown attribute", `${name}=${settings[name]}`);
	});
	/** Time at which the current command was collected. */
	let when: unknown;
	const tracker = createTracker(
		// An unknown value of `consent` gives no consent.
		{
			...settings,
			// Not `src` alone, which a later `<base>` changes. The page may have another `URL`.
			proxy:
				proxy?.trim() ||
				(source?.src &&
					(attempt(() => new URL(source.getAttribute("src") as string, location.href).href) || source.src).replace(
						/[^/]*([?#].*)?$/,
						"",
					)),
			debug: on.test(debug as string),
		} as TrackerOptions,
		() => readClock(when),
	);
	const run = (command: Command) => {
		try {
			when = command.when;
			// Without iterators, which a page may have replaced.
			(tracker[command[0]] as (...args: unknown[]) => unknown)(command[1], command[2], command[3]);
		} catch {
			// Methods do not throw, so the tracker has none of that name.
			warn("unknown command", command?.[0]);
		}
		when = undefined;
	};
	window.eventferry = { ...tracker, push: (...commands) => commands.forEach(run) };
	if (Array.isArray(stub)) stub.forEach(run);
	if (!off.test(clicks as string)) trackClicks(tracker);
	if (on.test(pages as string)) trackPages(tracker);
};

try {
	load();
} catch (cause) {
	warn(String(cause));
}
