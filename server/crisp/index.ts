import type { Crisp, EventsMap } from "crisp-api";
import type { HookListener } from "../inbound/index.ts";
import { createListeners } from "../outbox/listeners.ts";
import { type CrispEventName, isHookOnly } from "../providers/crisp/event-names.ts";
import { type CrispCredentials, loadCrispApi, prepare } from "./client.ts";
import { CrispError, crispError } from "./error.ts";
import { createEventListeners } from "./listeners.ts";
import type { Bound, Method, Section, Withdrawn } from "./method.ts";
import { sections } from "./sections.ts";
import { type MissedEvents, openSocket } from "./socket.ts";

export type { CrispEventName } from "../providers/crisp/event-names.ts";
export { CrispError, type CrispErrorCode } from "./error.ts";
export type { MissedEvents } from "./socket.ts";

export interface CrispOptions extends CrispCredentials {
	/** A proxy that Crisp's web hooks come to: events are then what these tell, instead of Crisp's socket. */
	hooks?: { onHook(listener: HookListener): () => void };
}

/** What an event tells, as far as Crisp's own client knows. */
export type CrispPayload<Name extends CrispEventName> = Name extends keyof EventsMap
	? EventsMap[Name]
	: Record<string, unknown>;

type Sections = { [Name in keyof typeof sections]: Bound<(typeof sections)[Name]> };

/** All of Crisp that its Node client has: docs/crisp.md has each method, its route, and what it is called today. */
export interface CrispClient extends Sections {
	/**
	 * Calls `listener` with each such event; returns the way to stop. Listeners that are added in one turn share a
	 * connection. Throws a TypeError for a name that Crisp does not have.
	 */
	on<Name extends CrispEventName>(event: Name, listener: (payload: CrispPayload<Name>) => unknown): () => void;
	/** Calls `listener` after each time in which events may have been missed. */
	on(event: "missed", listener: (missed: MissedEvents) => unknown): () => void;
	/** Calls `listener` with what keeps events away, and with what a listener threw. Without one these are process warnings. */
	on(event: "error", listener: (error: unknown) => unknown): () => void;
	/** The official client, for whatever else it has; the addresses it builds are safe as well. */
	client(): Promise<Crisp>;
	/** Ends the connection for events. */
	close(): void;
}

/**
 * Crisp, through its official client (`npm install crisp-api`): every section and method under the names its Node
 * client has always had, each doing today what its name says, and every event. Methods reject with {@link CrispError};
 * those that Crisp has withdrawn at once. Requests count towards Crisp's quota, and are in no budget of the proxy's.
 */
export function createCrisp({ hooks, ...credentials }: CrispOptions): CrispClient {
	let official: Promise<Crisp> | undefined;
	const client = () => {
		official ??= loadCrispApi().then((Client) => prepare(new Client(), credentials));
		return official;
	};

	function bound(section: string, name: string, entry: Method<never, unknown> | Withdrawn) {
		if ("instead" in entry) {
			const message = `Crisp has withdrawn ${section}.${name} (${entry.route}): ${entry.instead}`;
			return () => Promise.reject(new CrispError("withdrawn", message));
		}
		return async (...args: never) => {
			try {
				return await entry.call(await client(), ...args);
			} catch (error) {
				throw crispError(error);
			}
		};
	}

	const errors = createListeners<unknown>();
	const gaps = createListeners<MissedEvents>();
	function onError(error: unknown): void {
		if (!errors.tell(error)) process.emitWarning(error instanceof Error ? error : String(error));
	}
	const listeners = createEventListeners(onError);
	const socket = openSocket({
		credentials,
		tell: listeners.tell,
		onError,
		onMissed: gaps.tell,
		now: Date.now,
	});
	let stopHooks: (() => void) | undefined;

	function on(event: string, listener: (payload: never) => unknown): () => void {
		if (event === "error") return errors.add(listener as (error: unknown) => unknown);
		if (event === "missed") return gaps.add(listener as (missed: MissedEvents) => unknown);
		const name = event as CrispEventName;
		if (!hooks && isHookOnly(name))
			throw new TypeError(`${name} comes by web hooks only: give createCrisp the proxy, as hooks`);
		const stop = listeners.add(name, listener);
		if (hooks) stopHooks ??= hooks.onHook(({ from, event, data }) => from === "crisp" && listeners.tell(event, data));
		else socket.subscribe(name);
		return stop;
	}

	const all = Object.entries<Section>(sections).map(([section, methods]) => [
		section,
		Object.fromEntries(Object.entries(methods).map(([name, entry]) => [name, bound(section, name, entry)])),
	]);
	return {
		...(Object.fromEntries(all) as Sections),
		on,
		client,
		close() {
			stopHooks?.();
			socket.close();
		},
	};
}
