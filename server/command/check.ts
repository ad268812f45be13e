import { accountVariables, loadConfig, warningsOf } from "../config/config.ts";
import { shownStore } from "../outbox/store-url.ts";
import type { Outcome } from "../providers/provider.ts";
import { type Account, accountsOf } from "../sites.ts";
import { type Command, CommandError } from "./command.ts";
import { counted, duration, err, out, outJson, visible } from "./print.ts";
import { overridesOf, variablesHelp, warnOfUnknownVariables } from "./serve.ts";

/** Explains the outcome of a probe, in words that follow the destination's name. */
export function outcomeWords(outcome: Outcome): string {
	const { status } = outcome;
	const answer = "reason" in outcome ? `${status ?? ""} ${visible(outcome.reason)}`.trim() : "";
	switch (outcome.kind) {
		case "delivered":
			return "accepts the credentials";
		case "paused":
			if (status === 401) return `refuses the credentials (${answer}): are they right and complete?`;
			if (status === 403)
				return `accepts the credentials but forbids the request (${answer}): do they have the rights they need?`;
			return `takes no requests for this account (${answer}): is it the right account, and is the plugin installed there?`;
		case "wait":
			return `has reached a limit and takes no requests for now (${answer}): try again later`;
		case "retry":
			if (outcome.reason === "timeout") return "did not answer in 10 s: is its address right, and reachable from here?";
			if (status === undefined) return `cannot be reached (${answer}): is its address right, and reachable from here?`;
			if (status >= 500 || status === 408) return `has an error of its own (${answer}): try again later`;
			return `answers ${status}, but not as its API should: is its address right?`;
		case "unknownPerson":
		case "rejected":
			if (status === 404) return `finds nothing at this address (${answer}): are the address and the account right?`;
			return `refuses the request (${answer})`;
	}
}

/** Sends a destination's probe. */
async function probe({ provider }: Account) {
	const before = performance.now();
	const outcome = await provider.send(provider.probe, new AbortController().signal);
	return {
		destination: provider.name,
		ok: outcome.kind === "delivered",
		answer: outcomeWords(outcome),
		status: outcome.status,
		ms: Math.round(performance.now() - before),
	};
}

export const checkCommand: Command = {
	name: "check",
	summary: "checks the configuration, and says what is wrong with it",
	options: ["port", "host", "config", "store", "live", "json", "help"],
	help: `Opens no store, delivers nothing, shows no secret. --live sends one request to
each destination. It changes nothing there, but counts towards its limit.

Examples:
  eventferry check
  eventferry check --live --config shop.config.mjs

${variablesHelp}`,
	async run(given) {
		warnOfUnknownVariables();
		const config = await loadConfig({ file: given.config, overrides: overridesOf(given) });
		for (const warning of warningsOf(config)) err(`eventferry: ${warning}\n`);
		const sites = await Promise.all(
			config.sites.map(async (site) => {
				const { writeKey, origins } = site;
				const accounts = accountsOf(site);
				const destinations = accounts.map(({ provider }) => provider.name);
				const live = given.live ? await Promise.all(accounts.map(probe)) : undefined;
				return { writeKey, origins, destinations, live };
			}),
		);
		const failed = sites.flatMap(({ live = [] }) => live).filter(({ ok }) => !ok);
		if (given.json) outJson({ ok: failed.length === 0, store: shownStore(config.store), sites });
		else {
			out(`the configuration is right; events are stored in ${shownStore(config.store)}\n`);
			for (const { writeKey, origins, destinations, live = [] } of sites) {
				out(`  ${writeKey}: from ${origins.join(", ")} to ${destinations.join(", ")}\n`);
				for (const { destination, answer, ok, ms } of live) {
					out(`    ${destination} ${answer}${ok ? ` (${duration(ms)})` : ""}\n`);
					if (!ok) out(`      see ${accountVariables(destination).join(", ")}\n`);
				}
			}
		}
		if (failed.length === 0) return 0;
		throw new CommandError(`${counted(failed.length, "destination")} would not receive events`);
	},
};
