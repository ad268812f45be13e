import { type CrispEventName, isCrispEventName } from "../providers/crisp/event-names.ts";

type Listener = (payload: never) => unknown;

/** Who listens to what; one that throws or rejects harms nobody else. */
export function createEventListeners(onError: (error: unknown) => void) {
	const byName = new Map<string, Set<Listener>>();
	return {
		/** Returns the way to stop; throws a TypeError for a name that Crisp does not have. */
		add(name: CrispEventName, listener: Listener): () => void {
			if (!isCrispEventName(name)) throw new TypeError(`Crisp has no event ${JSON.stringify(name)}`);
			// A listener that is added twice is two.
			const own: Listener = (payload) => listener(payload);
			const those = byName.get(name) ?? new Set();
			byName.set(name, those.add(own));
			return () => {
				those.delete(own);
			};
		},
		tell(name: string, payload: unknown): void {
			for (const listener of byName.get(name) ?? [])
				Promise.resolve()
					.then(() => listener(payload as never))
					.catch(onError);
		},
	};
}
