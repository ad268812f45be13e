import { createContext, createElement, type ReactElement, type ReactNode, useContext } from "react";
import type { Data, Tracker } from "./contract.ts";

const TrackerContext = createContext<unknown>(undefined);

/**
 * Provides a tracker to the components inside. Create the tracker once, outside of all components; the same module
 * serves server-side rendering, where a tracker records nothing.
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
 * Returns the tracker of the nearest `TrackerProvider`, the same object at every render. `Events` are the event types
 * with which the tracker was created.
 * @throws Error if the component is not inside a `TrackerProvider`.
 */
export function useTracker<Events = Record<string, Data>>(): Tracker<Events> {
	const tracker = useContext(TrackerContext);
	if (!tracker) throw new Error("useTracker: the component must be inside a <TrackerProvider>");
	return tracker as Tracker<Events>;
}
