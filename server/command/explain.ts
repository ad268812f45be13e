import type { Explanation } from "../../shared/admin.ts";
import { loadConfig } from "../config/config.ts";
import { parseJson } from "../http/exact-json.ts";
import { accountsOf, createExplain } from "../sites.ts";
import { type Command, UsageError } from "./command.ts";
import { counted, out, outJson, visible } from "./print.ts";
import { variablesHelp, warnOfUnknownVariables } from "./serve.ts";

const example = `'{"type":"track","name":"purchase"}'`;

function readEvent(text: string | undefined): unknown {
	if (text === undefined) throw new UsageError(`explain needs an event: eventferry explain ${example}`);
	try {
		return parseJson(text);
	} catch (cause) {
		throw new UsageError(`the event must be a JSON object, for example ${example}`, { cause });
	}
}

type Explained = Explanation["destinations"][string];

/** Lists which rule decided what: `name by rules[0], as by rules[1]`. */
const decided = ({ by }: Explained) =>
	Object.entries(by)
		.filter(([part]) => part !== "send")
		.map(([part, rule]) => `${part} by ${rule}`)
		.join(", ");

const fates = {
	waits: "waits for an event that is worth a contact",
	discarded: "is discarded",
	dead: "is a dead letter",
};

function linesOf(name: string, explained: Explained): string[] {
	const { sent, because, reason, as, note, requests, cost, budget, ends } = explained;
	if (!sent) return [`${name}: not sent (${reason ?? because})`];
	const rules = decided(explained);
	const marks = [
		as?.digest && "may be merged",
		as?.rank && `ranks as ${as.rank}`,
		as?.expires && `expires ${as.expires}`,
	];
	const shown = [as?.type, as?.name && `"${as.name}"`, ...marks].filter(Boolean).join(", ");
	const end =
		ends === undefined || ends === "delivered" ? [] : [`  then it ${fates[ends]}${reason ? ` (${reason})` : ""}`];
	return [
		`${name}: sent as ${shown} (${[because, rules].filter(Boolean).join("; ")})`,
		...(note ? [`  ${note}`] : []),
		...requests.flatMap(({ request, body, answer }, index) => [
			`  ${index + 1}. ${request}${answer === "unknown_person" ? ", answered: nobody found" : ""}`,
			...(body ? [`     ${JSON.stringify(body)}`] : []),
		]),
		...end,
		`  costs ${counted(cost, "request")} of ${budget.requests.toLocaleString("en-US")} a ${budget.per}`,
	];
}

export const explainCommand: Command = {
	name: "explain",
	operands: "EVENT-JSON",
	maxOperands: 1,
	summary: "what each destination would be sent, without sending",
	options: ["config", "json", "help"],
	help: `Shows for each destination the requests that an event would cause for a person
who is not known there yet, what they cost, and which rules decided. Needs only
the configuration: asks no proxy and no provider, opens no store. id, at and
person may be left out. With several sites, "writeKey" names one of them.
"backend": true explains an event of your backend instead of a page's.

Examples:
  eventferry explain '{"type":"track","name":"purchase","data":{"total":12}}'
  eventferry explain '{"type":"login"}' --json

${variablesHelp}`,
	async run(given) {
		const event = readEvent(given.operands[0]);
		warnOfUnknownVariables();
		const config = await loadConfig({ file: given.config });
		const explanation = createExplain(new Map(config.sites.map((site) => [site, accountsOf(site)])))(event);
		if ("flaw" in explanation) throw new UsageError(`the event would be refused: ${visible(explanation.flaw)}`);
		if (given.json) outJson(explanation);
		else
			for (const [name, explained] of Object.entries(explanation.destinations))
				for (const line of linesOf(name, explained)) out(`${visible(line)}\n`);
		return 0;
	},
};
