/** Makes a list of listeners. One that throws does not keep the others from being called. */
export function createListeners<News = void>() {
	const listeners = new Set<(news: News) => unknown>();
	return {
		/** Adds a listener; returns a function that removes it. */
		add(listener: (news: News) => unknown): () => void {
			listeners.add(listener);
			return () => {
				listeners.delete(listener);
			};
		},
		/** Calls every listener, then throws the errors of listeners that threw. Returns false if there is no listener. */
		tell(news: News): boolean {
			const errors: unknown[] = [];
			for (const listener of listeners) {
				try {
					listener(news);
				} catch (error) {
					errors.push(error);
				}
			}
			if (errors.length > 1) throw new AggregateError(errors, "several listeners threw");
			if (errors.length > 0) throw errors[0];
			return listeners.size > 0;
		},
	};
}
