import type { Crisp, EventsMap } from "crisp-api";
import type { HookListener } from "../inbound/index.ts";
import { createListeners } from "../outbox/listeners.ts";
import { type CrispEventName, isCrispEventName, isHookOnly } from "../providers/crisp/event-names.ts";
import { authenticated, type CrispAccess, loadCrispApi } from "./client.ts";
import { CrispError, crispError } from "./error.ts";
import type { Bound, Callee, Method, Section, Withdrawn } from "./method.ts";
import { sections } from "./sections.ts";
import { type MissedEvents, openSocket } from "./socket.ts";

export type { CrispEventName } from "../providers/crisp/event-names.ts";
export { CrispError, type CrispErrorCode } from "./error.ts";
export type { MissedEvents } from "./socket.ts";

export interface CrispOptions extends CrispAccess {
	/** Proxy that receives Crisp's web hooks. Events then come by web hooks, instead of by Crisp's socket. */
	hooks?: { onHook(listener: HookListener): () => void };
}

/** Payload of an event, as the official client declares it. */
export type CrispPayload<Name extends CrispEventName> = Name extends keyof EventsMap
	? EventsMap[Name]
	: Record<string, unknown>;

type Sections = { [Name in keyof typeof sections]: Bound<(typeof sections)[Name]> };

/** Crisp's API under the names of its first Node client. docs/crisp.md lists each method with its route. */
export interface CrispClient extends Sections {
	/**
	 * Calls `listener` with each event of that name. Returns a function that removes the listener. The first listener of
	 * a name replaces a connection that is already open. Throws a TypeError for a name that Crisp does not have.
	 */
	on<Name extends CrispEventName>(event: Name, listener: (payload: CrispPayload<Name>) => unknown): () => void;
	/** Calls `listener` after each period in which events may have been missed. */
	on(event: "missed", listener: (missed: MissedEvents) => unknown): () => void;
	/** Calls `listener` with errors of the connection and other listeners. Without one, errors become process warnings. */
	on(event: "error", listener: (error: unknown) => unknown): () => void;
	/** Resolves to the official client, which has the token and encodes paths. */
	client(): Promise<Crisp>;
	/** Closes the connection for events. */
	close(): void;
}

/**
 * Creates a client for Crisp's API, on top of the official one (`npm install crisp-api`). It has every section and method
 * of Crisp's first Node client, corrected to do what their names say, and every event. Methods reject with
 * {@link CrispError}; withdrawn methods reject without a request. Requests count towards Crisp's quota, but not towards
 * the proxy's budget.
 */
export function createCrisp({ hooks, ...access }: CrispOptions): CrispClient {
	let official: Promise<Crisp> | undefined;
	const client = () => {
		official ??= loadCrispApi().then((Client) => authenticated(new Client(), access));
		return official;
	};

	function bound(section: string, name: string, entry: Method | Withdrawn) {
		if ("instead" in entry) {
			const message = `Crisp has withdrawn ${section}.${name} (${entry.route}): ${entry.instead}`;
			return () => Promise.reject(new CrispError("withdrawn", message));
		}
		return async (...args: never) => {
			try {
				const rest = await client();
				const { website } = rest;
				const callee: Callee = Object.assign(Object.create(website), { rest });
				if (entry.call) return await entry.call(callee, ...args);
				return await (website[entry.officialName] as (...args: never) => Promise<unknown>)(...args);
			} catch (error) {
				throw crispError(error);
			}
		};
	}

	const errors = createListeners<unknown>();
	/** Listeners by the name of their event. A listener that throws or rejects does not affect the others. */
	const listeners = new Map<string, ReturnType<typeof createListeners<never>>>();
	const tell = (name: string, payload: unknown) => listeners.get(name)?.tell(payload as never);
	function onError(error: unknown): void {
		if (!errors.tell(error)) process.emitWarning(error instanceof Error ? error : String(error));
	}
	const onMissed = (missed: MissedEvents) => tell("missed", missed);
	const socket = openSocket({ access, tell, onError, onMissed, now: Date.now });
	let stopHooks: (() => void) | undefined;

	function subscribe(name: string): void {
		if (!isCrispEventName(name)) throw new TypeError(`Crisp has no event ${JSON.stringify(name)}`);
		if (hooks) stopHooks ??= hooks.onHook(({ from, event, data }) => from === "crisp" && tell(event, data));
		else if (isHookOnly(name))
			throw new TypeError(`${name} comes by web hooks only: use createCrisp({ hooks: proxy })`);
		else socket.subscribe(name);
	}

	function on(name: string, listener: (payload: never) => unknown): () => void {
		if (name === "error") return errors.add(listener as (error: unknown) => unknown);
		if (name !== "missed") subscribe(name);
		const named = listeners.get(name) ?? createListeners<never>();
		listeners.set(name, named);
		return named.add((payload) => Promise.resolve(payload).then(listener).catch(onError));
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
