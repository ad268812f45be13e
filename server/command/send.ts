import { randomUUID } from "node:crypto";
import * as z from "zod";
import { batchReplySchema } from "../../shared/wire.ts";
import { parseJson } from "../http/exact-json.ts";
import { type Command, CommandError, UsageError } from "./command.ts";
import { ask } from "./operator.ts";
import { out, outJson, visible } from "./print.ts";

function readData(text: string | undefined): Record<string, unknown> | undefined {
	if (text === undefined) return undefined;
	try {
		return z.record(z.string(), z.unknown()).parse(parseJson(text));
	} catch (cause) {
		throw new UsageError(`the event's data must be a JSON object, for example '{"total": 12}'`, { cause });
	}
}

export const sendCommand: Command = {
	name: "send",
	operands: "NAME [JSON] --email E",
	maxOperands: 2,
	summary: "sends one event, as the backend would",
	options: ["email", "url", "json", "help"],
	help: `The event is accepted once it is on the proxy's disk, and delivered after that.

Variables, each also as NAME_FILE:
  EVENTFERRY_SERVER_KEY  the server key of the event's site
  EVENTFERRY_URL

Examples:
  eventferry send hello --email ada@example.com
  eventferry send invoice:paid '{"total": 12}' --email ada@example.com \\
    --url https://shop.example/ferry
`,
	async run(given) {
		const [name, json] = given.operands;
		const { email } = given;
		if (name === undefined) throw new UsageError("send needs the name of an event: eventferry send NAME --email E");
		if (email === undefined) throw new UsageError("send needs --email, the e-mail of the event's person");
		const event = { id: randomUUID(), type: "track", name, at: Date.now(), person: { email }, data: readData(json) };
		const { accepted, rejected } = await ask(given.url, {
			key: "EVENTFERRY_SERVER_KEY",
			answer: batchReplySchema,
			path: "/v1/events",
			method: "POST",
			body: { events: [event] },
		});
		if (given.json) outJson({ id: event.id, accepted, rejected });
		const [refused] = rejected;
		if (refused) throw new CommandError(`the event was not accepted: ${visible(refused.message)} (${refused.code})`);
		if (!given.json) out(`accepted: ${visible(name)} of ${visible(email)}, id ${event.id}\n`);
		return 0;
	},
};
