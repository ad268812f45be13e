import * as z from "zod";
import type { OwnOptions } from "../providers/definition.ts";
import { eventPattern } from "../providers/event-pattern.ts";
import { commonOptions } from "../providers/options.ts";
import { definitions, type ProviderName, providerNames } from "../providers/registry.ts";

/** Options about deliveries, the same for every provider. */
export const deliveryOptions = {
	/** Events that are delivered, by type, name, or name with `*`; default all but `page`. */
	events: z.array(eventPattern).optional(),
	/** Maximum of requests per day, minute or second, whichever the provider's limit is for; default: that limit. */
	budget: z.int("must be a whole number of requests, 1 or more").min(1, "must be 1 or more").optional(),
	/** Time of day in UTC at which the day of a daily budget starts; default `00:00Z`. */
	dayStartsAt: z
		.string()
		.regex(/^([01]\d|2[0-3]):[0-5]\dZ$/, "must be a time of day in UTC, for example 00:00Z")
		.optional(),
	/**
	 * Part of a daily budget that is kept for the backend's events, 0 to 1; default 0.2 if a `serverKey` is set, else 0.
	 */
	reserve: z.number("must be a number from 0 to 1").min(0, "must be 0 or more").max(1, "must be 1 or less").optional(),
	/** Longest wait of an event, ms, before it becomes a dead letter with the reason `expired`; default 7 days. */
	maxWait: z.int("must be a whole number of ms").min(1, "must be 1 or more").default(604_800_000),
};
export type DeliveryOptions = z.output<z.ZodObject<typeof deliveryOptions>>;

type DestinationSchema<Own extends OwnOptions> = z.ZodObject<
	typeof commonOptions & typeof deliveryOptions & Own,
	z.core.$strict
>;

const destinationSchema = <Own extends OwnOptions>(own: Own): DestinationSchema<Own> =>
	z.strictObject({ ...commonOptions, ...deliveryOptions, ...own });

/** Schemas of a site's destinations, by the provider's name. */
export type Destinations = {
	[Name in ProviderName]: z.ZodOptional<DestinationSchema<(typeof definitions)[Name]["options"]>>;
};

export const destinations = Object.fromEntries(
	providerNames.map((name) => [name, destinationSchema(definitions[name].options).optional()]),
) as Destinations;

/** Whether a site's events are delivered anywhere. */
export const hasDestination = (
	site: { [Name in ProviderName]?: object | undefined } & { destinations?: object | undefined },
): boolean => providerNames.some((name) => site[name] !== undefined) || Object.keys(site.destinations ?? {}).length > 0;
