/** A set of listeners that are called asynchronously, so that one that throws or rejects does not affect the others. */
export function createListeners<Payload>(onError: (error: unknown) => void) {
	const listeners = new Set<(payload: Payload) => unknown>();
	return {
		/** Adds a listener. Returns a function that removes it. */
		add(listener: (payload: Payload) => unknown): () => void {
			// A function of our own each time, so that a listener added twice is called twice.
			const own = (payload: Payload) => listener(payload);
			listeners.add(own);
			return () => void listeners.delete(own);
		},
		tell(payload: Payload): void {
			for (const listener of listeners)
				Promise.resolve()
					.then(() => listener(payload))
					.catch(onError);
		},
	};
}
