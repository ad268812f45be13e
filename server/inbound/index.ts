import type { RequestHandler } from "express";
import type { Guess } from "../http/rate-limit.ts";
import type { Route } from "../http/route.ts";
import type { Ingest } from "../ingest/ingest.ts";
import { createListeners } from "../outbox/listeners.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { createHooks, type HookOutcome } from "./hooks.ts";
import { openPixel } from "./open-pixel.ts";
import { createReporting, type ReportedSite, type Reporter } from "./reporting.ts";

export type { ReportedSite } from "./reporting.ts";

export interface InboundOptions {
	sites: ReportedSite[];
	outbox(): Outbox;
	/** Lets what is to be stored begin, until the stop. */
	admit: RequestHandler;
	ingest: Pick<Ingest, "check" | "store" | "taken">;
	guess: Guess;
	now(): number;
	/** Told of each web hook that was vouched for, and of each that a rule fits of whom nobody knows whom it is about. */
	report(notice: InboundNotice): void;
	/** Told of an opened e-mail that could not be recorded, and of a listener that threw. */
	onFault(error: unknown): void;
}

export interface InboundNotice {
	from: Reporter;
	outcome: HookOutcome | "nobody";
}

/** A web hook of a provider, verified, and told once however often it is delivered. */
export interface ReceivedHook {
	from: Reporter;
	/** Its name there: `message:send`. */
	event: string;
	/** As the provider sends it. */
	data: Record<string, unknown>;
	/** When it happened, ms since the epoch. */
	at: number;
}

export type HookListener = (hook: ReceivedHook) => unknown;

/** What comes in about people from elsewhere: e-mails they open, what providers report of them. */
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
			if (outcome === "repeated") return;
			listeners.tell({ from, event, data, at });
		},
	});
	const routes: Route[] = [openPixel({ sites, check, store, now, onFault }), ...hooks];
	return {
		routes,
		/** Calls `listener` once for each web hook, after it is on disk; returns the way to stop. */
		onHook: (listener: HookListener): (() => void) =>
			listeners.add((hook) => Promise.resolve(hook).then(listener).catch(onFault)),
	};
}
