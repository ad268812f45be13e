import type { AccountOf } from "../definition.ts";
import { baseUrl, text } from "../options.ts";

/** Options of a site's HelpCrunch account. */
export const options = {
	/** API key, not a legacy one: https://docs.helpcrunch.com/en/rest-api-v1/api-setup-v1 */
	apiKey: text("your HelpCrunch API key"),
	/** Secret with which HelpCrunch signs its web hooks. */
	hookSecret: text("the signing key of your web hooks").optional(),
	/** Base URL of HelpCrunch's REST API; default `https://api.helpcrunch.com/v1`. */
	baseUrl: baseUrl.default("https://api.helpcrunch.com/v1"),
};
export type HelpCrunchConfig = AccountOf<typeof options>;
