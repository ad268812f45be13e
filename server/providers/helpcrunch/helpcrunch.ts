import type { ReportingDefinition } from "../definition.ts";
import { createHelpCrunchConnector } from "./connector.ts";
import { helpcrunchHooks } from "./hooks.ts";
import { options } from "./options.ts";

/** HelpCrunch, a chat whose customers have events: https://helpcrunch.com */
export const helpcrunch: ReportingDefinition<typeof options> = {
	title: "HelpCrunch",
	options,
	variables: {
		HELPCRUNCH_API_KEY: "apiKey",
		HELPCRUNCH_BASE_URL: "baseUrl",
		HELPCRUNCH_MINUTE_BUDGET: "budget",
		HELPCRUNCH_HOOK_SECRET: "hookSecret",
	},
	hooks: helpcrunchHooks,
	create: createHelpCrunchConnector,
};
