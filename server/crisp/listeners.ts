import { createListeners } from "../inbound/listeners.ts";
import { type CrispEventName, isCrispEventName } from "../providers/crisp/event-names.ts";

/** Listeners by the name of an event. One that throws or rejects does not affect the others. */
export function createEventListeners(onError: (error: unknown) => void) {
	const byName = new Map<string, ReturnType<typeof createListeners<never>>>();
	return {
		/** Adds a listener. Returns a function that removes it. Throws a TypeError for a name that Crisp does not have. */
		add(name: CrispEventName, listener: (payload: never) => unknown): () => void {
			if (!isCrispEventName(name)) throw new TypeError(`Crisp has no event ${JSON.stringify(name)}`);
			const listeners = byName.get(name) ?? createListeners<never>(onError);
			byName.set(name, listeners);
			return listeners.add(listener);
		},
		tell(name: string, payload: unknown): void {
			byName.get(name)?.tell(payload as never);
		},
	};
}
