import { once } from "node:events";
import { createServer } from "node:http";
import express, { type ErrorRequestHandler } from "express";
import { type CrispCredentials, simulateCrisp } from "./crisp/crisp.ts";
import type { CrispRelay } from "./crisp/relay.ts";
import { createFaults, type Fault } from "./faults.ts";
import { type HelpcrunchCredentials, simulateHelpcrunch } from "./helpcrunch/helpcrunch.ts";
import type { NewPerson, SandboxPerson } from "./people.ts";
import { type ProviderName, providerNames } from "./provider.ts";
import { createRecord, type SandboxRequest } from "./record.ts";
import { simulateVibetrace, type VibetraceCredentials } from "./vibetrace/vibetrace.ts";
import { type ExpectedEvent, findDelivery, type SandboxDelivery } from "./wait-for.ts";

export type { CrispCredentials } from "./crisp/crisp.ts";
export type { CrispRelay } from "./crisp/relay.ts";
export {
	type DestinationCheck,
	DestinationTestError,
	type DestinationTestOptions,
	testDestination,
} from "./destination/testing.ts";
export type { Fault } from "./faults.ts";
export type { HelpcrunchCredentials } from "./helpcrunch/helpcrunch.ts";
export type { NewPerson, SandboxEvent, SandboxPerson } from "./people.ts";
export type { ProviderName } from "./provider.ts";
export type { SandboxRequest } from "./record.ts";
export type { VibetraceCredentials } from "./vibetrace/vibetrace.ts";
export type { ExpectedEvent, SandboxDelivery } from "./wait-for.ts";

export interface SandboxOptions {
	/** Default 0: any free port. */
	port?: number;
	limits?: {
		/** Requests Crisp admits in 24 hours from the first. Default 10,000, as documented for website tokens. */
		crispPerDay?: number;
		/** Requests HelpCrunch admits in a minute from the first. Default 120, as documented. */
		helpcrunchPerMinute?: number;
		/** People that Crisp's plan has room for; more are refused. Default: no limit. */
		crispContacts?: number;
	};
	/** Names of custom attributes that each provider takes. An update with another one is refused. Default: all names. */
	attributeNames?: Partial<Record<ProviderName, RegExp>>;
}

/** Credentials and base URLs of the simulated providers, for a site's configuration. Each sandbox makes its own. */
export interface SandboxDestinations {
	crisp: CrispCredentials & { baseUrl: string };
	helpcrunch: HelpcrunchCredentials & { baseUrl: string };
	vibetrace: VibetraceCredentials & { baseUrl: string };
}

/** Crisp, HelpCrunch and Vibetrace, simulated from their documentation. */
export interface Sandbox {
	/** Base URL, for example `http://127.0.0.1:41233`. */
	readonly url: string;
	/** Credentials and base URLs, to spread into a site's configuration. */
	readonly destinations: SandboxDestinations;
	/** Signal that is aborted by `stop()`, so that streams from the sandbox end. */
	readonly stopped: AbortSignal;
	/** Requests received, refused ones included, oldest first. Keeps the last 10,000 of all providers together. */
	requests(destination?: ProviderName): SandboxRequest[];
	/** Returns copies of the provider's present profiles. */
	people(destination: ProviderName): SandboxPerson[];
	/** Adds a person as if they had existed before; returns the provider's id: a number at HelpCrunch. */
	addPerson(destination: ProviderName, person: NewPerson): string | number;
	/** Removes everyone with the e-mail, as an operator would in the provider's own pages. */
	removePerson(destination: ProviderName, email: string): void;
	/** Makes requests fail; returns a function that clears the fault. The oldest fault that matches a request applies. */
	fault(destination: ProviderName, fault: Fault): () => void;
	/**
	 * Resolves once an event has arrived on a profile, so that tests need no sleep.
	 * Rejects after `timeoutMs` (default 10,000) with a list of the requests received.
	 */
	waitFor(event: ExpectedEvent, options?: { timeoutMs?: number }): Promise<SandboxDelivery>;
	/**
	 * Resolves with the requests once the predicate holds for them. The predicate runs again at each request, even
	 * while a fault delays its answer. Rejects after `timeoutMs` (default 10,000) with a list of the requests.
	 */
	until(
		predicate: (requests: SandboxRequest[]) => boolean,
		options?: { destination?: ProviderName; timeoutMs?: number },
	): Promise<SandboxRequest[]>;
	/** Calls the listener once for each request, when it is answered or its connection ends; returns a function that stops it. */
	onRequest(listener: (request: SandboxRequest) => void): () => void;
	/** Crisp's socket for events. Needs the package `socket.io` as soon as a client connects to it. */
	readonly relay: CrispRelay;
	/** Deletes people, conversations, requests and faults, and resets the limits. */
	clear(): void;
	/** Ends all connections and stops listening. Pending `waitFor` and `until` calls reject. */
	stop(): Promise<void>;
}

const anyName = /^/;

const unreadable: ErrorRequestHandler = (error: { status?: number; message: string }, _request, response, _next) => {
	response.status(error.status ?? 500).json({ error: error.message });
};

/**
 * Starts the three providers as one HTTP server on 127.0.0.1. They accept and answer as their documentation says,
 * refuse everything else, and keep all data in memory. Crisp is simulated as far as its Node client reaches, the
 * others as far as people and their events go.
 */
export async function startSandbox({
	port = 0,
	limits = {},
	attributeNames = {},
}: SandboxOptions = {}): Promise<Sandbox> {
	const app = express().disable("x-powered-by").disable("etag").enable("case sensitive routing");
	const server = createServer(app);
	const providers = {
		crisp: simulateCrisp(limits.crispPerDay ?? 10_000, server, {
			contacts: limits.crispContacts ?? Number.POSITIVE_INFINITY,
			names: attributeNames.crisp ?? anyName,
		}),
		helpcrunch: simulateHelpcrunch(limits.helpcrunchPerMinute ?? 120, attributeNames.helpcrunch ?? anyName),
		vibetrace: simulateVibetrace(attributeNames.vibetrace ?? anyName),
	};
	const faults = { crisp: createFaults(), helpcrunch: createFaults(), vibetrace: createFaults() };
	const record = createRecord();
	const stopping = new AbortController();

	for (const name of providerNames)
		app.use(`/${name}/v1`, record.receive(name), faults[name].inflict, providers[name].router);
	app.use((_request, response) => {
		response.status(404).json({ error: "Not a simulated provider: /crisp/v1, /helpcrunch/v1, /vibetrace/v1" });
	});
	app.use(unreadable);

	server.listen(port, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	if (address === null || typeof address === "string") throw new Error("The sandbox has no port");
	const url = `http://127.0.0.1:${address.port}`;

	return {
		url,
		destinations: {
			crisp: { ...providers.crisp.credentials, baseUrl: `${url}/crisp/v1` },
			helpcrunch: { ...providers.helpcrunch.credentials, baseUrl: `${url}/helpcrunch/v1` },
			vibetrace: { ...providers.vibetrace.credentials, baseUrl: `${url}/vibetrace/v1` },
		},
		stopped: stopping.signal,
		requests: record.list,
		people: (destination) => structuredClone(providers[destination].people.all()),
		addPerson: (destination, person) => providers[destination].add(person).id,
		removePerson: (destination, email) => providers[destination].people.removeAll(email),
		fault: (destination, fault) => faults[destination].add(fault),
		waitFor(event, options = {}) {
			const people = () => Object.fromEntries(providerNames.map((name) => [name, providers[name].people.all()]));
			return record.when(() => findDelivery(people(), event), { ...options, destination: event.destination });
		},
		until: (predicate, options) => record.when((requests) => (predicate(requests) ? requests : undefined), options),
		onRequest: record.onRequest,
		relay: providers.crisp.relay,
		clear() {
			record.clear();
			for (const name of providerNames) {
				providers[name].clear();
				faults[name].clear();
			}
		},
		async stop() {
			if (stopping.signal.aborted) return;
			stopping.abort();
			record.stop();
			providers.crisp.stop();
			const closed = once(server, "close");
			server.close();
			server.closeAllConnections();
			await closed;
		},
	};
}
