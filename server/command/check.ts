import { isIP } from "node:net";
import * as z from "zod";
import { accountVariables, type CheckedConfig, doubts, loadConfig, readVariable } from "../config/config.ts";
import { ignoredHeader } from "../http/client-address.ts";
import { shownStore } from "../outbox/store-url.ts";
import type { Outcome } from "../providers/provider.ts";
import { type Account, accountsOf } from "../sites.ts";
import { type Command, CommandError } from "./command.ts";
import { proxyUrl, reach } from "./operator.ts";
import { counted, duration, err, out, outJson, visible } from "./print.ts";
import { overridesOf, variablesHelp, warnOfUnknownVariables } from "./serve.ts";

/** Time limit for the answer of a proxy that runs already, ms. */
const readinessMs = 2_000;

/** Explains what an answer to a probe says about the configuration. */
export function inWords(outcome: Outcome): string {
	const { status } = outcome;
	const because = "reason" in outcome ? `${status ?? ""} ${visible(outcome.reason)}`.trim() : "";
	switch (outcome.kind) {
		case "delivered":
			return "takes the credentials";
		case "paused":
			if (status === 401) return `refuses the credentials (${because}): are they right and complete?`;
			if (status === 403)
				return `accepts the credentials but forbids this (${because}): do they have the rights they need?`;
			return `takes no requests of this account (${because}): is it the right account, and is the plugin installed there?`;
		case "wait":
			return `has reached a limit and takes no requests for now (${because}): try again later`;
		case "retry":
			if (outcome.reason === "timeout") return "did not answer in 10 s: is its address right, and reachable from here?";
			if (status === undefined) return `cannot be reached (${because}): is its address right, and reachable from here?`;
			if (status >= 500 || status === 408) return `has an error of its own (${because}): try again later`;
			return `answers ${status}, but not as this API does: is its address right?`;
		case "unknownPerson":
		case "rejected":
			if (status === 404) return `finds nothing at this address (${because}): are the address and the account right?`;
			return `refuses (${because})`;
	}
}

/** Sends a provider's probe. The answer is in words that follow the destination's name. */
async function askLive({ provider }: Account) {
	const before = performance.now();
	const outcome = await provider.send(provider.probe, new AbortController().signal);
	return {
		destination: provider.name,
		ok: outcome.kind === "delivered",
		answer: inWords(outcome),
		status: outcome.status,
		ms: Math.round(performance.now() - before),
	};
}

const readinessSchema = z.object({ warnings: z.array(z.object({ code: z.string() })) });

/** Asks the proxy, if it runs already, whether visitors share an address, which only requests can show. */
async function sharedAddress({ host, port }: CheckedConfig): Promise<string[]> {
	const url = readVariable("EVENTFERRY_URL") ?? `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
	try {
		const response = await reach(`${proxyUrl(url)}/readyz`, { signal: AbortSignal.timeout(readinessMs) });
		const { warnings } = readinessSchema.parse(await response.json());
		return warnings.some(({ code }) => code === "shared_address") ? [ignoredHeader] : [];
	} catch {
		return [];
	}
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
		for (const doubt of [...doubts(config), ...(await sharedAddress(config))]) err(`eventferry: ${doubt}\n`);
		const sites = await Promise.all(
			config.sites.map(async (site) => {
				const { writeKey, origins } = site;
				const accounts = accountsOf(site);
				const destinations = accounts.map(({ provider }) => provider.name);
				const live = given.live ? await Promise.all(accounts.map(askLive)) : undefined;
				return { writeKey, origins, destinations, live };
			}),
		);
		const wrong = sites.flatMap(({ live = [] }) => live).filter(({ ok }) => !ok);
		if (given.json) outJson({ ok: wrong.length === 0, store: shownStore(config.store), sites });
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
		if (wrong.length === 0) return 0;
		throw new CommandError(`${counted(wrong.length, "destination")} would not receive events`);
	},
};
