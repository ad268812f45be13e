import { createListeners } from "../outbox/listeners.ts";
import { type CrispEventName, isCrispEventName } from "../providers/crisp/event-names.ts";

/** Listeners by the name of an event. One that throws or rejects does not affect the others. */
export function createEventListeners(onError: (error: unknown) => void) {
	const byName = new Map<string, ReturnType<typeof createListeners<never>>>();
	return {
		/** Adds a listener. Returns a function that removes it. Throws a TypeError for a name that Crisp does not have. */
		add(name: CrispEventName, listener: (payload: never) => unknown): () => void {
			if (!isCrispEventName(name)) throw new TypeError(`Crisp has no event ${JSON.stringify(name)}`);
			const listeners = byName.get(name) ?? createListeners<never>();
			byName.set(name, listeners);
			return listeners.add((payload) => Promise.resolve(payload).then(listener).catch(onError));
		},
		tell(name: string, payload: unknown): void {
			byName.get(name)?.tell(payload as never);
		},
	};
}
