import type { DestinationState } from "../delivery/hold.ts";
import type { Delivery } from "../delivery/start-delivery.ts";
import type { BudgetLimits, Destination } from "../outbox/outbox.ts";

/** A destination at this moment: what runs, not what is stored. */
export interface DestinationView {
	destination: Destination;
	/** Its name for people. */
	title: string;
	limits: BudgetLimits;
	state: DestinationState;
	/** Requests sent since the start. */
	requests: number;
}

export const destinationView = ({ destination, provider, limits, dispatcher }: Delivery): DestinationView => ({
	destination,
	title: provider.title,
	limits,
	state: dispatcher.state(),
	requests: dispatcher.requests(),
});

/** The state that needs attention first, of several sites' accounts with one provider: paused, then waiting. */
export function worst(views: DestinationView[]): DestinationView["state"]["kind"] {
	const kinds = new Set(views.map(({ state }) => state.kind));
	return kinds.has("paused") ? "paused" : kinds.has("waiting") ? "waiting" : "running";
}
