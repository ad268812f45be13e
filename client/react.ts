import { createContext, createElement, type ReactElement, type ReactNode, useContext } from "react";
import type { Data, Tracker } from "./contract.ts";

const TrackerContext = createContext<unknown>(undefined);

/**
 * Gives a tracker to the components below. Create it once, outside of all components: on a server it records nothing,
 * so the same module serves both sides.
 */
export function TrackerProvider<Events>({
	tracker,
	children,
}: {
	tracker: Tracker<Events>;
	children?: ReactNode;
}): ReactElement {
	return createElement(TrackerContext.Provider, { value: tracker }, children);
}

/**
 * The tracker that the nearest `TrackerProvider` above was given; the same object at every render. `Events` are the
 * event types it was created with.
 * @throws Error where there is no provider above.
 */
export function useTracker<Events = Record<string, Data>>(): Tracker<Events> {
	const tracker = useContext(TrackerContext);
	if (!tracker) throw new Error("useTracker: the component must be inside a <TrackerProvider>");
	return tracker as Tracker<Events>;
}
