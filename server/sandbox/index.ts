import { once } from "node:events";
import { createServer } from "node:http";
import express, { type ErrorRequestHandler } from "express";
import { type CrispCredentials, simulateCrisp } from "./crisp.ts";
import type { CrispRelay } from "./crisp-relay.ts";
import { createFaults, type Fault } from "./faults.ts";
import { type HelpcrunchCredentials, simulateHelpcrunch } from "./helpcrunch.ts";
import type { NewPerson, SandboxPerson } from "./people.ts";
import { type Destination, destinations } from "./provider.ts";
import { createRecord, type SandboxRequest } from "./record.ts";
import { simulateVibetrace, type VibetraceCredentials } from "./vibetrace.ts";
import { type ExpectedEvent, findDelivery, type SandboxDelivery } from "./wait-for.ts";

export type { CrispCredentials } from "./crisp.ts";
export type { CrispRelay } from "./crisp-relay.ts";
export type { Fault } from "./faults.ts";
export type { HelpcrunchCredentials } from "./helpcrunch.ts";
export type { NewPerson, SandboxEvent, SandboxPerson } from "./people.ts";
export type { Destination } from "./provider.ts";
export type { SandboxRequest } from "./record.ts";
export type { VibetraceCredentials } from "./vibetrace.ts";
export type { ExpectedEvent, SandboxDelivery } from "./wait-for.ts";

export interface SandboxOptions {
	/** Default 0: any free port. */
	port?: number;
	limits?: {
		/** Requests Crisp admits in 24 hours from the first. Default 10,000, as documented for website tokens. */
		crispPerDay?: number;
		/** Requests HelpCrunch admits in a minute from the first. Default 120, as documented. */
		helpcrunchPerMinute?: number;
	};
}

/** What a site's configuration needs for each simulated provider, made anew by each sandbox. */
export interface SandboxDestinations {
	crisp: CrispCredentials & { baseUrl: string };
	helpcrunch: HelpcrunchCredentials & { baseUrl: string };
	vibetrace: VibetraceCredentials & { baseUrl: string };
}

/** Crisp, HelpCrunch and Vibetrace, simulated from their documentation. */
export interface Sandbox {
	/** `http://127.0.0.1:41233` */
	readonly url: string;
	/** Credentials and base URLs, to spread into a site's configuration. */
	readonly destinations: SandboxDestinations;
	/** Aborted when `stop()` is called, so that whoever streams from the sandbox can end. */
	readonly stopped: AbortSignal;
	/** What was received, refused requests too, oldest first; the last 10,000 of all destinations. */
	requests(destination?: Destination): SandboxRequest[];
	/** A copy of the profiles the provider now holds. */
	people(destination: Destination): SandboxPerson[];
	/** Adds a person as if they had existed before; returns the provider's id: a number at HelpCrunch. */
	addPerson(destination: Destination, person: NewPerson): string | number;
	/** Removes everyone with that e-mail, as an operator would in the provider's own pages. */
	removePerson(destination: Destination, email: string): void;
	/** Makes requests fail; returns what clears the fault. Several faults befall requests in the order added. */
	fault(destination: Destination, fault: Fault): () => void;
	/**
	 * Resolves once an event has arrived on a profile: at once if it has before, else as soon as it does, so that a
	 * test need not sleep. Rejects after `timeoutMs` (default 10,000), telling what was received.
	 */
	waitFor(event: ExpectedEvent, options?: { timeoutMs?: number }): Promise<SandboxDelivery>;
	/**
	 * Resolves with the requests once the predicate holds for them; it is asked again with each request, also with one
	 * whose answer a fault holds back. Rejects after `timeoutMs` (default 10,000), telling what was received.
	 */
	until(
		predicate: (requests: SandboxRequest[]) => boolean,
		options?: { destination?: Destination; timeoutMs?: number },
	): Promise<SandboxRequest[]>;
	/** Calls the listener once for each request, when it is answered or its connection has ended; returns the way to stop. */
	onRequest(listener: (request: SandboxRequest) => void): () => void;
	/** Crisp's socket for events. Needs `socket.io`, where somebody connects to it. */
	readonly relay: CrispRelay;
	/** Forgets people, conversations, requests, faults and what was used of the limits. */
	clear(): void;
	/** Ends all connections and stops listening; whoever waits in `until` is told so. */
	stop(): Promise<void>;
}

const unreadable: ErrorRequestHandler = (error: { status?: number; message: string }, _request, response, _next) => {
	response.status(error.status ?? 500).json({ error: error.message });
};

/**
 * Starts the three providers as one HTTP server on 127.0.0.1. They accept and answer what their documentation says,
 * refuse the rest, and keep everything in memory. Of Crisp, what its Node client has always had is simulated, of the others what concerns people and their events.
 */
export async function startSandbox({ port = 0, limits = {} }: SandboxOptions = {}): Promise<Sandbox> {
	const providers = {
		crisp: simulateCrisp(limits.crispPerDay ?? 10_000),
		helpcrunch: simulateHelpcrunch(limits.helpcrunchPerMinute ?? 120),
		vibetrace: simulateVibetrace(),
	};
	const faults = { crisp: createFaults(), helpcrunch: createFaults(), vibetrace: createFaults() };
	const record = createRecord();
	const stopping = new AbortController();

	const app = express().disable("x-powered-by").disable("etag").enable("case sensitive routing");
	for (const name of destinations)
		app.use(`/${name}/v1`, record.receive(name), faults[name].inflict, providers[name].router);
	app.use((_request, response) => {
		response.status(404).json({ error: "Not a simulated provider: /crisp/v1, /helpcrunch/v1, /vibetrace/v1" });
	});
	app.use(unreadable);

	const server = createServer(app).listen(port, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	if (address === null || typeof address === "string") throw new Error("The sandbox has no port");
	const url = `http://127.0.0.1:${address.port}`;
	providers.crisp.attach(server);

	return {
		url,
		destinations: {
			crisp: { ...providers.crisp.credentials, baseUrl: `${url}/crisp/v1` },
			helpcrunch: { ...providers.helpcrunch.credentials, baseUrl: `${url}/helpcrunch/v1` },
			vibetrace: { ...providers.vibetrace.credentials, baseUrl: `${url}/vibetrace/v1` },
		},
		stopped: stopping.signal,
		requests: record.list,
		people: (destination) => structuredClone(providers[destination].people()),
		addPerson: (destination, person) => providers[destination].add(person).id,
		removePerson: (destination, email) => providers[destination].remove(email),
		fault: (destination, fault) => faults[destination].add(fault),
		waitFor(event, options = {}) {
			const people = () => Object.fromEntries(destinations.map((name) => [name, providers[name].people()]));
			const destination = event.destination && { destination: event.destination };
			return record.when(() => findDelivery(people(), event), { ...options, ...destination });
		},
		until: (predicate, options) => record.when((requests) => (predicate(requests) ? requests : undefined), options),
		onRequest: record.onRequest,
		relay: providers.crisp.relay,
		clear() {
			record.clear();
			for (const name of destinations) {
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
