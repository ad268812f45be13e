import type { RunningDestination } from "../delivery/start-delivery.ts";
import type { DestinationState } from "../delivery/state.ts";
import type { Outbox } from "../outbox/outbox.ts";

/** Parts of the proxy that metrics and operators' routes read. */
export interface Observed {
	/** Returns the store. Throws `StoreUnavailableError` while there is none. */
	outbox(): Outbox;
	deliveries(): RunningDestination[];
	/** Returns the label of a site, by its name in the store. A label does not contain the write key. */
	labelOf(site: string): string;
	now(): number;
}

/** Groups running destinations by name: several sites can have accounts with one provider. */
export const byDestination = (deliveries: RunningDestination[]): [name: string, RunningDestination[]][] => [
	...Map.groupBy(deliveries, ({ destination }) => destination.name),
];

/** Sums up several sites' accounts with one provider: paused if one is, else waiting if one is, else running. */
export function worstState(deliveries: RunningDestination[]): DestinationState {
	const states = deliveries.map(({ dispatcher }) => dispatcher.state());
	const ofKind = (kind: DestinationState["kind"]) => states.find((state) => state.kind === kind);
	return ofKind("paused") ?? ofKind("waiting") ?? { kind: "running" };
}
