import type { Router } from "express";
import type { Logger } from "pino";
import { createLiveStream } from "./admin/live.ts";
import {
	type CheckedConfig,
	type CheckedSite,
	type Config,
	checkConfig,
	storeUrl,
	warningsOf,
} from "./config/config.ts";
import { steadyClock } from "./delivery/clock.ts";
import { forgetRoute } from "./delivery/forget.ts";
import { type RunningDestination, startDelivery } from "./delivery/start-delivery.ts";
import type { OnOwnFault } from "./destinations/loop-watch.ts";
import { createBodyRoom } from "./http/body-room.ts";
import { clientAddress } from "./http/client-address.ts";
import { createInFlight } from "./http/in-flight.ts";
import { byAddress, limitBytes, limitGuesses, limitRequests, withinLimit } from "./http/rate-limit.ts";
import { createStartStop } from "./http/start-stop.ts";
import { createInbound, type HookListener } from "./inbound/index.ts";
import { createIngest } from "./ingest/ingest.ts";
import { type BackendEvent, createTrack } from "./ingest/track.ts";
import { hiding, hidingSecrets } from "./observe/hiding.ts";
import { createLog } from "./observe/log.ts";
import { watchStats } from "./observe/missing.ts";
import { createObservers, type Observers } from "./observe/observers.ts";
import { openOutbox } from "./outbox/open.ts";
import { type Outbox, StoreUnavailableError } from "./outbox/outbox.ts";
import { startSweeping } from "./outbox/sweeping.ts";
import { createRouter } from "./router.ts";
import { createSegment } from "./segment/routes.ts";
import {
	type Account,
	accountsOf,
	createExplain,
	ingestSite,
	siteLabels,
	storedName,
	warningsOfRules,
} from "./sites.ts";
import { supportsNode, UnsupportedNodeError } from "./version.ts";

/** A proxy, to be mounted in an Express app or served alone. */
export interface EventProxy {
	/** The routes. Mount them where the snippet's `proxy` option points: `app.use("/ferry", proxy.router)`. */
	router: Router;
	/** Opens the store and starts to deliver; until then, events are answered 503. Can reject with `StoreOpenError`. */
	start(): Promise<void>;
	/**
	 * Stops accepting events (503), lets requests that are under way finish for up to `graceMs` (default 10,000 ms), and
	 * closes the store. Events that are not delivered yet are delivered after the next start.
	 */
	stop(graceMs?: number): Promise<void>;
	/**
	 * Accepts an event of the backend, as `POST /v1/events` does. Resolves once the event is on disk. Rejects with a
	 * TypeError for an invalid event, and with `StoreUnavailableError` if it cannot be stored, or may be stored
	 * where the code is `outcome_unknown`. `writeKey` selects the site; the default is the first one.
	 */
	track(event: BackendEvent, options?: { writeKey?: string }): Promise<void>;
	/**
	 * Calls `listener` once for each verified web hook of Crisp and HelpCrunch, after its events are on disk. Returns a
	 * function that removes the listener. Errors of the listener are logged.
	 */
	onHook(listener: HookListener): () => void;
}

/**
 * Makes a proxy. Throws `UnsupportedNodeError` on a version of Node that it does not run on, and `ConfigError` with
 * every mistake in the configuration. The proxy opens and delivers nothing until `start()`.
 */
export function createProxy(config: Config | CheckedConfig): EventProxy {
	if (!supportsNode(process.versions.node)) throw new UnsupportedNodeError(process.versions.node);
	const checked = checkConfig(config);
	const { store, maxStoreBytes } = checked;
	return createProxyOn(checked, () => openOutbox(storeUrl(store), { maxBytes: maxStoreBytes }));
}

/** Makes a proxy of a checked configuration, as {@link createProxy} does. `openStore` opens its store at the start. */
export function createProxyOn(checked: CheckedConfig, openStore: () => Promise<Outbox>): EventProxy {
	const { adminToken, sandbox, rateLimit } = checked;
	const log = createLog(checked.logLevel, { hide: hiding(checked) });
	const steady = steadyClock(Date.now, () => performance.now());
	/** Time by which the store is read: of the database, if several processes share it. */
	const now = () => running?.outbox.now?.() ?? steady();
	const onFault: OnOwnFault = (fault) => observers.ownFault(fault);
	const accounts = new Map(checked.sites.map((site) => [site, accountsOf(site, onFault)]));
	for (const warning of [...warningsOf(checked), ...warningsOfRules(accounts)]) log.warn(warning);
	const sites = [...accounts].map(([site, own]) => ingestSite(site, own, sandbox));
	const inFlight = createInFlight();
	let running: Running | undefined;

	function outbox(): Outbox {
		if (!running) throw new StoreUnavailableError("the proxy is not started, or is stopping");
		return running.outbox;
	}
	const deliveries = () => running?.deliveries ?? [];
	const isUp = () => running !== undefined && !inFlight.isStopping();
	const observed = { outbox, deliveries, labelOf: labelsOf(checked), now };
	const keepsBodies = adminToken !== undefined || sandbox;
	const observers = createObservers({ ...observed, keepsBodies }, log, isUp);
	const live = createLiveStream(observers.activity, now);

	let isAddressShared = false;
	const addressOf = clientAddress(checked.trustProxy, (message) => {
		isAddressShared = true;
		log.warn(message);
	});
	const senderOf = byAddress(addressOf);
	/** Makes a limit of wrong guesses for one purpose: wrong guesses at web hooks do not count for the server key. */
	// Guard (SECURITY.md): guess-purpose
	const guesses = () => limitGuesses(rateLimit.perAddress, senderOf);
	const readBodies = createBodyRoom(senderOf);
	const receiving = { sites, outbox, admit: inFlight.admit, readBodies, now: Date.now };
	const visiting = {
		...receiving,
		sandbox,
		limitAddress: limitRequests(rateLimit.perAddress, senderOf),
		limitBytes: limitBytes(rateLimit.bytesPerAddress, senderOf),
		onNotice: observers.ingested,
	};
	const guess = guesses();
	const ingest = createIngest({ ...visiting, guess, perWriteKey: rateLimit.perWriteKey });
	const segment = createSegment({ ...visiting, guess, ingest });
	const inbound = createInbound({
		...receiving,
		limitGuesses: guesses,
		isWithinLimit: withinLimit(rateLimit.perAddress, senderOf),
		ingest,
		report: observers.reported,
		onFault: observers.onFault,
	});
	const forget = forgetRoute({
		sites,
		outbox: inFlight.unlessStopping(outbox),
		destinationsOf: ({ name }) => deliveries().filter(({ destination }) => destination.site === name),
		guess: guesses(),
		onForgotten: observers.activity.forget,
	});
	const router = createRouter({
		...observed,
		...observers,
		eventRoutes: [...ingest.routes, forget, ...inbound.routes, ...segment],
		outbox: inFlight.unlessStopping(outbox),
		adminToken,
		sandbox,
		guess: guesses(),
		live,
		isAddressShared: () => isAddressShared,
		explain: createExplain(accounts),
		hideSecrets: hidingSecrets(checked),
		skipped: (name, stored) => sites.find((site) => site.name === name)?.route(stored).skipped ?? [],
		log,
	});

	async function open(): Promise<(graceMs: number) => Promise<void>> {
		const opened = await run(checked, { accounts, observers, log, now: steady, openStore });
		running = opened;
		inFlight.resume();
		return async (graceMs) => {
			live.end();
			await Promise.all([inFlight.drain(graceMs), opened.end(graceMs)]);
			running = undefined;
			await opened.outbox.close();
		};
	}

	const track = createTrack(sites, (site, events) => inFlight.run(() => ingest.accept(site, events)));
	return { router, ...createStartStop(open), onHook: inbound.onHook, track };
}

interface Parts {
	accounts: ReadonlyMap<CheckedSite, Account[]>;
	observers: Observers;
	log: Logger;
	now(): number;
	openStore(): Promise<Outbox>;
}

/** The open store, and the running destinations. */
interface Running {
	outbox: Outbox;
	deliveries: RunningDestination[];
	/** Ends sweeping and deliveries. Requests under way may take another `graceMs`. */
	end(graceMs: number): Promise<void>;
}

/** Opens the store, starts a dispatcher for each account, and starts sweeping. */
async function run({ sandbox }: CheckedConfig, parts: Parts): Promise<Running> {
	const { accounts, observers, log } = parts;
	const outbox = await parts.openStore();
	const now = outbox.now ?? parts.now;
	outbox.onDiscarded(observers.activity.discarded);
	outbox.onFault((message) => observers.logFault(message, {}));
	const deliveries = [...accounts].flatMap(([site, own]) =>
		own.map(({ provider, options }) => {
			const destination = { site: storedName(site, sandbox), name: provider.name };
			return startDelivery({ outbox, destination, provider, options, site, now, notify: observers.delivering });
		}),
	);
	const stopWatching = watchStats(outbox, deliveries, log, observers.history.looked);
	const stopSweeping = startSweeping(outbox, { served: deliveries, now, log, expired: observers.metrics.expired });
	return {
		outbox,
		deliveries,
		async end(graceMs) {
			stopWatching();
			stopSweeping();
			await Promise.all(deliveries.map(({ dispatcher }) => dispatcher.stop(graceMs)));
		},
	};
}

/** Makes a function that returns the label of a site, by its name in the store. */
function labelsOf({ sites, sandbox }: CheckedConfig): (site: string) => string {
	const labels = siteLabels(sites);
	const byName = new Map(sites.map((site, index) => [storedName(site, sandbox), labels[index] ?? ""]));
	return (site) => byName.get(site) ?? "another site";
}
