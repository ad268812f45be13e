import type { CheckedSite } from "../config/config.ts";
import type { DeliveryOptions } from "../config/destination.ts";
import type { Destination } from "../outbox/outbox.ts";
import { budgetLimits } from "./budget.ts";
import type { Context, Notice } from "./context.ts";
import { type Dispatcher, startDispatcher } from "./dispatcher.ts";

/** The part of a daily budget that is kept for the backend's events, unless the site says otherwise. */
const reserveDefault = 0.2;

export interface StartOptions extends Pick<Context, "outbox" | "destination" | "provider" | "now"> {
	/** The site's settings for the destination. */
	options: DeliveryOptions;
	site: Pick<CheckedSite, "serverKey">;
	notify(destination: Destination, notice: Notice): void;
}

/** A destination to which a dispatcher delivers. */
export interface RunningDestination extends Pick<Context, "destination" | "provider" | "limits"> {
	/** Time after which a delivery that still waits is given up, ms. */
	maxWait: number;
	dispatcher: Dispatcher;
}

/** Starts the dispatcher of one destination. */
export function startDelivery({ options, site, notify, ...parts }: StartOptions): RunningDestination {
	const { destination, provider } = parts;
	// A reserve is of use only to a site whose backend can send events.
	// Guard (SECURITY.md): budget-reserve
	const reserve = site.serverKey ? reserveDefault : 0;
	const limits = budgetLimits(provider.allowance, { reserve, ...options });
	const dispatcher = startDispatcher({
		...parts,
		limits,
		random: Math.random,
		notify: (notice) => notify(destination, notice),
	});
	return { destination, provider, limits, maxWait: options.maxWait, dispatcher };
}
