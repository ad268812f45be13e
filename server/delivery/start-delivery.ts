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
	report(destination: Destination, notice: Notice): void;
}

/** A running destination. */
export interface Delivery extends Pick<Context, "destination" | "provider" | "limits"> {
	/** ms after which a delivery that still waits is given up. */
	maxWait: number;
	dispatcher: Dispatcher;
}

/** Starts the dispatcher of one destination. */
export function startDelivery({ options, site, report, ...parts }: StartOptions): Delivery {
	const { destination, provider } = parts;
	// A reserve is of use only to a site whose backend can send events.
	// Guard (SECURITY.md): budget-reserve
	const reserve = site.serverKey ? reserveDefault : 0;
	const limits = budgetLimits(provider.allowance, { reserve, ...options });
	const dispatcher = startDispatcher({
		...parts,
		limits,
		random: Math.random,
		report: (notice) => report(destination, notice),
	});
	return { destination, provider, limits, maxWait: options.maxWait, dispatcher };
}
