import type { RequestHandler } from "express";
import type { Guess } from "../http/rate-limit.ts";
import type { Route } from "../http/route.ts";
import type { Ingest } from "../ingest/ingest.ts";
import { createListeners } from "../outbox/listeners.ts";
import type { Outbox } from "../outbox/outbox.ts";
import type { ReporterName } from "../providers/registry.ts";
import { createHooks, type HookOutcome } from "./hooks.ts";
import { openPixel } from "./open-pixel.ts";
import { createReporting, type ReportedSite } from "./reporting.ts";

export type { ReportedSite } from "./reporting.ts";

export interface InboundOptions {
	sites: ReportedSite[];
	outbox(): Outbox;
	/** Lets a request begin, or refuses it while the proxy is stopping. */
	admit: RequestHandler;
	ingest: Pick<Ingest, "check" | "store" | "taken">;
	guess: Guess;
	now(): number;
	/** Called with each verified web hook, and with each whose rules found nobody to make an event for. */
	report(notice: InboundNotice): void;
	/** Called if an opened e-mail cannot be recorded or a listener throws. */
	onFault(error: unknown): void;
}

export interface InboundNotice {
	from: ReporterName;
	outcome: HookOutcome | "nobody";
}

/** A verified web hook of a provider. Deliveries after the first are not passed on. */
export interface ReceivedHook {
	/** Provider that sent it. */
	from: ReporterName;
	/** The provider's name for it: `message:send`. */
	event: string;
	/** The provider's data, unchanged. */
	data: Record<string, unknown>;
	/** Time of what is reported, ms since the epoch. */
	at: number;
}

export type HookListener = (hook: ReceivedHook) => unknown;

/** Takes in what happens to people elsewhere: e-mails that they open, and web hooks of the providers. */
export function createInbound({ sites, outbox, admit, ingest, guess, now, report, onFault }: InboundOptions) {
	const listeners = createListeners<ReceivedHook>();
	const { check, store, taken } = ingest;
	const hooks = createHooks({
		sites,
		admit,
		report: createReporting({
			outbox,
			check,
			taken,
			now,
			onNobody: (from) => report({ from, outcome: "nobody" }),
		}),
		guess,
		now,
		onHook(from, { event, data, at }, outcome) {
			report({ from, outcome });
			if (outcome !== "repeated") listeners.tell({ from, event, data, at });
		},
	});
	const routes: Route[] = [openPixel({ sites, check, store, now, onFault }), ...hooks];
	return {
		routes,
		/** Calls `listener` once for each web hook, after it is on disk. Returns a function that stops that. */
		onHook: (listener: HookListener): (() => void) =>
			listeners.add((hook) => Promise.resolve(hook).then(listener).catch(onFault)),
	};
}
