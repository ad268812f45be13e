import type { CheckedSite } from "../config/config.ts";
import type { BudgetLimits, Destination, Outbox } from "../outbox/outbox.ts";
import type { Provider } from "../providers/provider.ts";
import { type BudgetOptions, budgetLimits } from "./budget.ts";
import { type Dispatcher, type Notice, startDispatcher } from "./dispatcher.ts";

/** The part of a daily budget that is kept for trusted events, unless the site says otherwise. */
const reserveDefault = 0.2;

export interface DeliveryOptions {
	outbox: Outbox;
	destination: Destination;
	provider: Provider;
	/** The site's settings for the destination. */
	options: BudgetOptions & { maxWait: number };
	site: Pick<CheckedSite, "serverKey" | "identity">;
	now(): number;
	report(destination: Destination, notice: Notice): void;
}

/** A destination that is delivered to. */
export interface Delivery {
	destination: Destination;
	provider: Provider;
	limits: BudgetLimits;
	/** ms after which a delivery that still waits is given up. */
	maxWait: number;
	dispatcher: Dispatcher;
}

/** Starts the dispatcher of one destination. */
export function startDelivery({
	outbox,
	destination,
	provider,
	options,
	site,
	now,
	report,
}: DeliveryOptions): Delivery {
	// A reserve is of use only to a site that can send trusted events.
	// Guard (SECURITY.md): budget-reserve
	const reserve = site.serverKey || site.identity === "verified" ? reserveDefault : 0;
	const limits = budgetLimits(provider.allowance, { reserve, ...options });
	const dispatcher = startDispatcher({
		destination,
		provider,
		outbox,
		limits,
		now,
		random: Math.random,
		report: (notice) => report(destination, notice),
	});
	return { destination, provider, limits, maxWait: options.maxWait, dispatcher };
}
