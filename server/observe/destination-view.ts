import type { DestinationState } from "../delivery/hold.ts";
import type { Delivery } from "../delivery/start-delivery.ts";
import type { BudgetLimits, Destination, Outbox } from "../outbox/outbox.ts";

/** The state of a destination in this process, without what is stored. */
export interface DestinationView {
	destination: Destination;
	/** The name for people. */
	title: string;
	limits: BudgetLimits;
	state: DestinationState;
	/** Requests sent since the start. */
	requests: number;
}

/** The proxy, as metrics and operators see it. */
export interface Observed {
	/** Returns the store. Throws `StoreUnavailableError` while there is none. */
	outbox(): Outbox;
	destinations(): DestinationView[];
	/** Names a site of the store for people, never by its write key. */
	labelOf(site: string): string;
	now(): number;
}

/** Shows the present state of a delivery. */
export const destinationView = ({ destination, provider, limits, dispatcher }: Delivery): DestinationView => ({
	destination,
	title: provider.title,
	limits,
	state: dispatcher.state(),
	requests: dispatcher.requests(),
});

/** Sums up several sites' accounts with one provider: paused if one is, else waiting if one is, else running. */
export function worst(views: DestinationView[]): DestinationView["state"]["kind"] {
	const kinds = new Set(views.map(({ state }) => state.kind));
	return kinds.has("paused") ? "paused" : kinds.has("waiting") ? "waiting" : "running";
}
