import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Router } from "express";
import type { Event } from "../shared/event.ts";
import { createLive } from "./admin/live.ts";
import { type CheckedConfig, type CheckedSite, type Config, checkConfig, doubts } from "./config/config.ts";
import { budgetLimits } from "./delivery/budget.ts";
import { steadyClock } from "./delivery/clock.ts";
import { type Dispatcher, startDispatcher } from "./delivery/dispatcher.ts";
import { createForget } from "./delivery/forget.ts";
import { clientAddress } from "./http/client-address.ts";
import { createInFlight } from "./http/in-flight.ts";
import { byAddress, limitGuesses, limitRequests } from "./http/rate-limit.ts";
import { createInbound, type HookListener } from "./inbound/index.ts";
import { createIngest, type IngestNotice } from "./ingest/ingest.ts";
import { createActivity } from "./observe/activity.ts";
import { hiding } from "./observe/hiding.ts";
import { createLog } from "./observe/log.ts";
import { createMetrics } from "./observe/metrics.ts";
import { createFaultLog, logNotice } from "./observe/notice-log.ts";
import { openOutbox } from "./outbox/open.ts";
import { type BudgetLimits, type Destination, type Outbox, StoreUnavailableError } from "./outbox/outbox.ts";
import { startSweeping } from "./outbox/sweeping.ts";
import type { Provider } from "./providers/provider.ts";
import { createRouter } from "./router.ts";
import { type Account, accountsOf, ingestSite, siteLabels, storedName } from "./sites.ts";

type WithoutStamp<Each> = Each extends Event ? Omit<Each, "id" | "at"> & { id?: string; at?: number } : never;
/** An event as the backend makes it: id and capture time are filled in where they are left out. */
export type BackendEvent = WithoutStamp<Event>;

/** The proxy, to be mounted in an Express app or served alone. */
export interface EventProxy {
	/** Mount it where the snippet's `proxy` option points: `app.use("/ferry", proxy.router)`. */
	router: Router;
	/** Opens the store and starts to deliver. Rejects with `StoreOpenError`. Until then every event is answered 503. */
	start(): Promise<void>;
	/**
	 * Begins to take no more events (503); finishes what it has begun, taking in and delivering, for up to `graceMs`
	 * (default 10 s); closes the store. What is not delivered is delivered after the next start.
	 */
	stop(graceMs?: number): Promise<void>;
	/**
	 * Takes an event of the backend, as `POST /v1/events` does. Resolves once it is on disk; rejects with a
	 * TypeError when the event is not valid, with `StoreUnavailableError` when it cannot be stored.
	 * `writeKey` names the site where there are several.
	 */
	track(event: BackendEvent, options?: { writeKey?: string }): Promise<void>;
	/**
	 * Calls `listener` once for each verified web hook of Crisp and HelpCrunch, after what follows from it is on disk;
	 * returns the way to stop. What it throws is logged and changes nothing.
	 */
	onHook(listener: HookListener): () => void;
}

/** A destination that is being delivered to. */
interface Served {
	destination: Destination;
	provider: Provider;
	dispatcher: Dispatcher;
	limits: BudgetLimits;
	maxWait: number;
}

/** The part of a daily budget that is kept for trusted events, unless the site says otherwise. */
const reserveDefault = 0.2;
const graceDefault = 10_000;

/**
 * Makes a proxy from a configuration. Throws `ConfigError` with every mistake in it. Nothing is opened
 * and nothing listens until `start()`.
 */
export function createProxy(config: Config | CheckedConfig): EventProxy {
	const checked = checkConfig(config);
	const log = createLog(checked.logLevel, { hide: hiding(checked) });
	for (const doubt of doubts(checked)) log.warn(doubt);
	const sites = checked.sites.map((site) => ({ site, accounts: accountsOf(site) }));
	const clock = steadyClock(Date.now, () => performance.now());
	const counts = {
		accepted: 0,
		rejected: 0,
		bots: 0,
		hooks_taken: 0,
		hooks_repeated: 0,
		hooks_unknown_event: 0,
		hooks_other_account: 0,
		hooks_nobody: 0,
	};
	const inFlight = createInFlight();
	let outbox: Outbox | undefined;
	let served: Served[] = [];
	let started: Promise<(graceMs: number) => Promise<void>> | undefined;
	let stopping = Promise.resolve();
	const logFault = createFaultLog(log, clock);

	function store(): Outbox {
		if (!outbox) throw new StoreUnavailableError("the proxy is not started, or is stopping");
		return outbox;
	}

	/** The store for whoever has time: gone as soon as a stop is asked for. */
	function openStore(): Outbox {
		if (inFlight.isEnding()) throw new StoreUnavailableError("the proxy is stopping");
		return store();
	}

	const addressIn = clientAddress(checked.trustProxy);
	let isForwardingTold = checked.trustProxy !== undefined;
	/** The client's address; says once that there is a proxy in front which we have not been told of. */
	function addressOf(request: IncomingMessage): string {
		if (!isForwardingTold && request.headers["x-forwarded-for"] !== undefined) {
			isForwardingTold = true;
			log.warn(
				"requests come with X-Forwarded-For, which is not believed: behind a proxy all visitors share one rate limit. Set EVENTFERRY_TRUST_PROXY",
			);
		}
		return addressIn(request);
	}

	const labels = siteLabels(checked.sites);
	const labelOf = new Map(checked.sites.map((site, index) => [storedName(site, checked.sandbox), labels[index] ?? ""]));
	const destinations = () =>
		served.map(({ destination, provider, dispatcher, limits }) => ({
			destination,
			title: provider.title,
			limits,
			state: dispatcher.state(),
			requests: dispatcher.requests(),
		}));
	const label = (site: string) => labelOf.get(site) ?? "another site";
	const metrics = createMetrics({ outbox: store, destinations, labelOf: label, now: clock });
	const activity = createActivity({ labelOf: label, now: clock });
	const live = createLive(activity, clock);
	function ingested(notice: IngestNotice): void {
		metrics.ingested(notice);
		activity.received(notice);
		if (notice.kind === "bots") counts.bots += notice.events;
		else {
			counts.accepted += notice.accepted;
			counts.rejected += notice.rejected.length;
		}
	}

	const ingestSites = sites.map(({ site, accounts }) => ingestSite(site, accounts, checked.sandbox));
	const senderOf = byAddress(addressOf);
	const { perAddress, perWriteKey } = checked.rateLimit;
	const guess = limitGuesses(perAddress, senderOf);
	const forget = createForget({
		sites: ingestSites,
		outbox: openStore,
		destinationsOf: (site) =>
			served
				.filter(({ destination }) => destination.site === site.name)
				.map(({ provider, dispatcher: { quiet, admit } }) => ({ provider, quiet, admit })),
		guess,
	});
	const ingest = createIngest({
		sites: ingestSites,
		outbox: store,
		admit: inFlight.admit,
		sandbox: checked.sandbox,
		limitAddress: limitRequests(perAddress, senderOf),
		perWriteKey,
		guess,
		now: Date.now,
		report: ingested,
	});

	const inbound = createInbound({
		sites: ingestSites,
		outbox: store,
		admit: inFlight.admit,
		ingest,
		guess,
		now: Date.now,
		report({ from, outcome }) {
			metrics.reported(from, outcome);
			counts[`hooks_${outcome}`] += 1;
		},
		onFault: (error) => requestFault(error, undefined),
	});

	function startDelivery(opened: Outbox, site: CheckedSite, { provider, options }: Account): Served {
		const destination = { site: storedName(site, checked.sandbox), name: provider.name };
		// A reserve needs somebody who may spend it.
		const reserve = site.serverKey || site.identity === "verified" ? reserveDefault : 0;
		const limits = budgetLimits(provider.allowance, { reserve, ...options });
		const dispatcher = startDispatcher({
			destination,
			provider,
			outbox: opened,
			limits,
			now: clock,
			random: Math.random,
			report(notice) {
				metrics.delivering(destination, notice);
				activity.stepped(destination, notice);
				if (notice.kind === "fault") logFault(`${provider.name}: ${notice.message}`, { err: notice.error });
				else if (notice.kind !== "step") logNotice(log.child({ destination: provider.name }), notice);
			},
		});
		return { destination, provider, dispatcher, limits, maxWait: options.maxWait };
	}

	/** Opens the store and starts a dispatcher for each destination; resolves to the way to end both. */
	async function open(): Promise<(graceMs: number) => Promise<void>> {
		const stored = await openOutbox(checked.store, { maxBytes: checked.maxStoreBytes });
		const opened = activity.forgetful(metrics.timed(stored));
		outbox = opened;
		opened.onDiscarded(activity.discarded);
		opened.onFault((message) => logFault(message, {}));
		served = sites.flatMap(({ site, accounts }) => accounts.map((account) => startDelivery(opened, site, account)));
		const stopSweeping = startSweeping(opened, { served, now: clock, log, expired: metrics.expired });
		inFlight.resume();
		return async (graceMs) => {
			live.end();
			stopSweeping();
			await Promise.all([inFlight.end(graceMs), ...served.map(({ dispatcher }) => dispatcher.stop(graceMs))]);
			outbox = undefined;
			await opened.close();
		};
	}

	/** A store that cannot be written fails every request; while starting or stopping that is as it should be. */
	function requestFault(error: unknown, id: string | undefined): void {
		if (!(error instanceof StoreUnavailableError)) {
			log.error({ err: error, requestId: id }, "a request could not be handled");
		} else if (outbox && !inFlight.isEnding()) logFault("the store cannot be written", { reason: error.message });
	}

	return {
		router: createRouter({
			ingest: [ingest.router, forget, ...inbound.routers],
			outbox: openStore,
			adminToken: checked.adminToken,
			sandbox: checked.sandbox,
			guess: limitGuesses(perAddress, senderOf),
			counts,
			destinations,
			activity,
			live,
			labelOf: label,
			notAddressable: (site, event) => ingestSites.find(({ name }) => name === site)?.route(event).notAddressable ?? [],
			now: clock,
			metrics,
			log,
			onFault: requestFault,
		}),

		async start() {
			started ??= stopping.then(open);
			try {
				await started;
			} catch (error) {
				started = undefined;
				throw error;
			}
		},

		stop(graceMs = graceDefault) {
			const current = started;
			started = undefined;
			if (current) {
				stopping = current.then(
					(close) => close(graceMs),
					() => {},
				);
			}
			return stopping;
		},

		onHook: inbound.onHook,

		async track(event, { writeKey } = {}) {
			const site = ingestSites.find((each) => each.writeKey === (writeKey ?? ingestSites[0]?.writeKey));
			if (!site) throw new TypeError("no site has this write key");
			if (inFlight.isEnding()) throw new StoreUnavailableError("the proxy is stopping");
			const stamped: unknown = JSON.parse(JSON.stringify({ id: randomUUID(), at: Date.now(), ...event }));
			const { rejected } = await inFlight.during(ingest.take(site, [stamped]));
			const [refusal] = rejected;
			if (refusal) throw new TypeError(`${refusal.code}: ${refusal.message}`);
		},
	};
}
