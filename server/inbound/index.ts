import { createListeners } from "../outbox/listeners.ts";
import { createHooks, type HooksOptions, type ReceivedHook } from "./hooks.ts";
import { type OpenPixelOptions, openPixel } from "./open-pixel.ts";

export type { ReceivedHook } from "./hooks.ts";
export type { InboundNotice, ReportedSite } from "./reporting.ts";

export type HookListener = (hook: ReceivedHook) => unknown;

/** Makes the routes for opened e-mails and for web hooks of the providers. */
export function createInbound(options: Omit<HooksOptions, "tell"> & OpenPixelOptions) {
	const listeners = createListeners<ReceivedHook>();
	return {
		routes: [openPixel(options), ...createHooks({ ...options, tell: listeners.tell })],
		/** Calls `listener` once for each web hook, after it is stored. Returns a function that removes the listener. */
		onHook: (listener: HookListener): (() => void) =>
			listeners.add((hook) => Promise.resolve(hook).then(listener).catch(options.onFault)),
	};
}
