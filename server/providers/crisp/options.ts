import * as z from "zod";
import type { AccountOf } from "../definition.ts";
import { baseUrl, text } from "../options.ts";
import { isPathSegment } from "../path-segment.ts";

/** Options of a site's Crisp account. */
export const options = {
	/** Id of the website in Crisp, to which the site's people belong. */
	websiteId: text("your Crisp website id").refine(isPathSegment, "must be an id, without / \\ % ? #"),
	/** Identifier of the token: https://docs.crisp.chat/guides/rest-api/authentication/ */
	identifier: text("the identifier of your Crisp token"),
	/** Key of the token. */
	key: text("the key of your Crisp token"),
	/** Kind of the token, which decides the daily budget: `"website"` (default, 10,000 requests) or `"plugin"` (5,000). */
	tier: z.enum(["website", "plugin"], 'must be "website" or "plugin"').default("website"),
	/**
	 * Whether people of whom nothing is remembered are created before Crisp was asked for them, where `createPeople` allows
	 * it: one request less for each new person, one more for each who has a profile already; default `false`.
	 */
	createFirst: z.boolean("must be true or false").default(false),
	/** Secret with which Crisp signs a plugin's web hooks. */
	hookSecret: text("the signing secret of your plugin's web hooks").optional(),
	/** Secret in the address of a website's web hooks, as `?key=`. Crisp does not sign these. */
	hookKey: text("the key in the address of your website's web hooks").optional(),
	/** Base URL of Crisp's REST API; default `https://api.crisp.chat/v1`. */
	baseUrl: baseUrl.default("https://api.crisp.chat/v1"),
};
export type CrispConfig = AccountOf<typeof options>;
