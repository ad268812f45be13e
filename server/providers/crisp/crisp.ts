import type { ReportingDefinition } from "../definition.ts";
import { isPlainName } from "../refused-names.ts";
import { createCrispConnector } from "./connector.ts";
import { crispHooks } from "./hooks.ts";
import { options } from "./options.ts";

/** Crisp, a chat whose people have profiles and events: https://crisp.chat */
export const crisp: ReportingDefinition<typeof options> = {
	title: "Crisp",
	options,
	variables: {
		CRISP_WEBSITE_ID: "websiteId",
		CRISP_IDENTIFIER: "identifier",
		CRISP_KEY: "key",
		CRISP_TIER: "tier",
		CRISP_CREATE_FIRST: "createFirst",
		CRISP_BASE_URL: "baseUrl",
		CRISP_DAILY_BUDGET: "budget",
		CRISP_HOOK_SECRET: "hookSecret",
		CRISP_HOOK_KEY: "hookKey",
	},
	isOddName: (name) => !isPlainName(name),
	hooks: crispHooks,
	create: createCrispConnector,
};
