/** Listeners of one kind of news. A listener that throws keeps no other from hearing. */
export function createListeners<News = void>() {
	const listeners = new Set<(news: News) => unknown>();
	return {
		/** Adds a listener; returns the way to stop it. */
		add(listener: (news: News) => unknown): () => void {
			listeners.add(listener);
			return () => {
				listeners.delete(listener);
			};
		},
		/** Tells every listener; returns whether there is one. Throws what listeners threw, once all have heard. */
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
