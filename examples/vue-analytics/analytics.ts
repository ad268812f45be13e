type Properties = Record<string, unknown>;

/** The calls of RudderStack's `rudderanalytics` that this app makes. */
interface Analytics {
	identify(traits: Properties): void;
	track(event: string, properties?: Properties): void;
	reset(): void;
}

declare global {
	interface Window {
		rudderanalytics?: Analytics & unknown[];
	}
}

/** RudderStack's queue, as its snippet makes it. Its script may still replace it, or may be gone. */
function createQueue(): Analytics & unknown[] {
	const queue: unknown[] = [];
	return Object.assign(queue, {
		identify: (...args: unknown[]) => void queue.push(["identify", ...args]),
		track: (...args: unknown[]) => void queue.push(["track", ...args]),
		reset: () => void queue.push(["reset"]),
	});
}

/** Returns the queue, or what RudderStack's script has put in its place. */
export function analytics(): Analytics {
	window.rudderanalytics ??= createQueue();
	return window.rudderanalytics;
}
