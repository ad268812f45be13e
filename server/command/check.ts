import { isIP } from "node:net";
import * as z from "zod";
import { accountVariables, type CheckedConfig, loadConfig, readOwn, warningsOf } from "../config/config.ts";
import { ignoredHeader } from "../http/client-address.ts";
import { shownStore } from "../outbox/store-url.ts";
import type { Connector, Outcome, Right } from "../providers/provider.ts";
import { type Account, accountsOf, warningsOfRules } from "../sites.ts";
import { type Command, CommandError, UsageError } from "./command.ts";
import { proxyUrl, reach } from "./operator.ts";
import { counted, duration, err, out, outJson, visible } from "./print.ts";
import { overridesOf, variablesHelp, warnOfUnknownVariables } from "./serve.ts";
import { waitForEvent, waitMs } from "./wait.ts";

/** Time limit for the answer of a proxy that runs already, ms. */
const readinessMs = 2_000;

/** Explains what an answer to a probe says about the configuration. */
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
			if (outcome.reason === "threw") return `cannot be asked (${visible(outcome.message ?? answer)})`;
			if (status === undefined) return `cannot be reached (${answer}): is its address right, and reachable from here?`;
			if (status >= 500 || status === 408) return `has an error of its own (${answer}): try again later`;
			return `answers ${status}, but not as its API should: is its address right?`;
		case "unknownPerson":
		case "rejected":
			if (status === 404) return `finds nothing at this address (${answer}): are the address and the account right?`;
			return `refuses the request (${answer})`;
	}
}

/** Result of asking for a right. */
interface RightAnswer {
	right: string;
	state: "held" | "missing" | "not checked";
	reason?: string;
}

/** Asks for a right. It is missing if refused, not checked after a limit or a failure, and held otherwise. */
async function askRight({ name: right, request }: Right, send: Connector["send"]): Promise<RightAnswer> {
	if (!request) return { right, state: "not checked", reason: "no request for it is sure to change nothing" };
	const outcome = await send(request, new AbortController().signal);
	const reason = "reason" in outcome ? outcome.reason : undefined;
	if (outcome.kind === "paused") return { right, state: "missing", ...(reason && { reason }) };
	if (outcome.kind === "wait" || outcome.kind === "retry")
		return { right, state: "not checked", ...(reason && { reason }) };
	return { right, state: "held" };
}

type LiveAnswer = Awaited<ReturnType<typeof askLive>>;

/** Sends a provider's probe, and asks for each right. The answer is in words that follow the destination's name. */
async function askLive({ provider }: Account) {
	if (!provider.probe) {
		const answer = "is not checked: it has no probe";
		return { destination: provider.name, ok: true, isTaken: false, answer, status: undefined, ms: 0, rights: [] };
	}
	const before = performance.now();
	const outcome = await provider.send(provider.probe, new AbortController().signal);
	const ms = Math.round(performance.now() - before);
	const isTaken = outcome.kind === "delivered";
	const rights = isTaken
		? await Promise.all((provider.rights ?? []).map((right) => askRight(right, provider.send)))
		: [];
	return {
		destination: provider.name,
		ok: isTaken && rights.every(({ state }) => state !== "missing"),
		isTaken,
		answer: outcomeWords(outcome),
		status: outcome.status,
		ms,
		rights,
	};
}

const fullWords =
	"the store is full: events of unverified visitors are refused until others are delivered. Find out what is not delivered with eventferry stats, or raise EVENTFERRY_MAX_STORE_BYTES";

const rightWords = { held: "may", missing: "may not", "not checked": "not checked: may it" } as const;

const readinessSchema = z.object({ warnings: z.array(z.object({ code: z.string() })) });

/** Warnings of a running proxy that `check` passes on. */
const runningWords: Record<string, string> = { shared_address: ignoredHeader, store_full: fullWords };

/** URL of the running proxy: `EVENTFERRY_URL`, else where the configuration lets it listen. */
function runningUrl({ host, port }: CheckedConfig): string {
	const address = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
	return proxyUrl(readOwn("EVENTFERRY_URL") ?? `http://${isIP(address) === 6 ? `[${address}]` : address}:${port}`);
}

/** Asks the proxy, if it runs already, for what only a running one can tell. */
async function runningWarnings(config: CheckedConfig): Promise<string[]> {
	try {
		const response = await reach(`${runningUrl(config)}/readyz`, { signal: AbortSignal.timeout(readinessMs) });
		const { warnings } = readinessSchema.parse(await response.json());
		return warnings.flatMap(({ code }) => runningWords[code] ?? []);
	} catch {
		return [];
	}
}

interface Result {
	store: string;
	sites: { writeKey: string; origins: string[]; destinations: string[]; live: LiveAnswer[] | undefined }[];
}

function print({ store, sites }: Result): void {
	out(`the configuration is right; events are stored in ${store}\n`);
	for (const { writeKey, origins, destinations, live = [] } of sites) {
		out(`  ${writeKey}: from ${origins.join(", ")} to ${destinations.join(", ")}\n`);
		for (const { destination, answer, ok, isTaken, ms, rights } of live) {
			out(`    ${destination} ${answer}${isTaken ? ` (${duration(ms)})` : ""}\n`);
			for (const { right, state, reason } of rights) {
				out(`      ${rightWords[state]} ${right}${reason ? ` (${visible(reason)})` : ""}\n`);
			}
			if (!ok) out(`      see ${accountVariables(destination).join(", ")}\n`);
		}
	}
}

export const checkCommand: Command = {
	name: "check",
	summary: "checks the configuration, and says what is wrong with it",
	options: ["port", "host", "config", "store", "live", "wait", "json", "help"],
	help: `Opens no store, delivers nothing, shows no secret. Warns of what is weak,
such as secrets of fewer than 32 characters, but still exits with 0. --live asks
each destination whether it takes the credentials and grants each right that
deliveries need. That changes nothing there, but counts towards its limit. A
right is "not checked" if no request for it is harmless, or after a failure.

--wait, after that, waits up to ${duration(waitMs)} for the first event that the running proxy
delivers: open a page of yours. It asks the proxy with its admin token, at
EVENTFERRY_URL or where this configuration lets it listen.

Examples:
  eventferry check
  eventferry check --live --wait
  eventferry check --live --config shop.config.mjs

${variablesHelp}`,
	async run(given) {
		if (given.wait && !given.live) throw new UsageError("--wait comes after --live: eventferry check --live --wait");
		warnOfUnknownVariables();
		const config = await loadConfig({ file: given.config, overrides: overridesOf(given) });
		const all = config.sites.map((site) => [site, accountsOf(site)] as const);
		for (const warning of [...warningsOf(config), ...warningsOfRules(all), ...(await runningWarnings(config))])
			err(`eventferry: ${warning}\n`);
		const sites = await Promise.all(
			all.map(async ([{ writeKey, origins }, accounts]) => {
				const destinations = accounts.map(({ provider }) => provider.name);
				const live = given.live ? await Promise.all(accounts.map(askLive)) : undefined;
				return { writeKey, origins, destinations, live };
			}),
		);
		const failed = sites.flatMap(({ live = [] }) => live).filter(({ ok }) => !ok);
		const result = { ok: failed.length === 0, store: shownStore(config.store), sites };
		if (!given.json) print(result);
		if (failed.length > 0 || !given.wait) {
			if (given.json) outJson(result);
			if (failed.length === 0) return 0;
			throw new CommandError(`${counted(failed.length, "destination")} would not receive events`);
		}
		const { title, ...first } = await waitForEvent({ url: runningUrl(config), token: config.adminToken });
		if (given.json) outJson({ ...result, first });
		else out(`${visible(`${first.event} of ${first.person}`)}: received, delivered to ${visible(title)}\n`);
		return 0;
	},
};
