import type { Wait } from "../../shared/admin.ts";
import { forecast } from "../delivery/forecast.ts";
import type { RunningDestination } from "../delivery/start-delivery.ts";
import type { Observed } from "../observe/observed.ts";
import type { OutboxStats } from "../outbox/outbox.ts";

/** Parts of the proxy from which the waits of destinations follow. */
export interface WaitSources extends Pick<Observed, "now"> {
	/** Returns the number of requests that an event takes at a destination, as measured since the start. */
	requestsPerEvent(running: RunningDestination): number;
}

/** Makes a function that tells why events wait at a site's destination. Undefined if none does. */
export const waitsBy =
	({ destinations }: Pick<OutboxStats, "destinations">, { now, requestsPerEvent }: WaitSources) =>
	(running: RunningDestination): Wait | undefined => {
		const { site, name } = running.destination;
		const numbers = destinations.find(({ destination }) => destination.site === site && destination.name === name);
		if (!numbers) return undefined;
		const { owed, budget, nextDueAt } = numbers;
		const { limits, dispatcher } = running;
		const measured = { owed, budget, nextDueAt, limits, state: dispatcher.state() };
		return forecast({ ...measured, requestsPerEvent: requestsPerEvent(running) }, now());
	};
