import { randomUUID } from "node:crypto";
import * as z from "zod";
import { eventTypes } from "../../shared/event.ts";
import { batchReplySchema } from "../../shared/wire.ts";
import { parseJson } from "../http/exact-json.ts";
import { type Arguments, type Command, CommandError, UsageError } from "./command.ts";
import { didYouMean } from "./nearest.ts";
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

const isType = (text: string) => eventTypes.some((type) => type === text);

/** Reads the type, the name and the data of the event. Throws {@link UsageError}. */
function readEvent({ type: given, operands }: Arguments) {
	const type = given ?? "track";
	if (!isType(type)) {
		throw new UsageError(`there is no type "${type}", only ${eventTypes.join(", ")}${didYouMean(type, eventTypes)}`);
	}
	if (type !== "track") {
		// The type may stand where a track has its name.
		const rest = operands[0] === type ? operands.slice(1) : operands;
		if (rest.length > 1) throw new UsageError(`a ${type} has no name: eventferry send --type ${type} [JSON] --email E`);
		return { type, data: readData(rest[0]) };
	}
	const [name, json] = operands;
	if (name === undefined) throw new UsageError("send needs the name of an event: eventferry send NAME --email E");
	if (isType(name) && given === undefined) {
		throw new UsageError(
			`${name} is a type of event, not the name of one: add --type ${name}${name === "track" ? "" : ", or --type track if it is meant as a name"}`,
		);
	}
	return { type, name, data: readData(json) };
}

export const sendCommand: Command = {
	name: "send",
	operands: "NAME [JSON] --email E",
	maxOperands: 2,
	summary: "sends one event, as the backend would",
	options: ["email", "user-id", "type", "url", "json", "help"],
	help: `The event is accepted once it is on the proxy's disk, and delivered after that.
It is a track with a name, or of another type, which has none:
${eventTypes.filter((type) => type !== "track").join(", ")}.
The sandbox on this machine needs no server key.

Variables, each also as NAME_FILE:
  EVENTFERRY_SERVER_KEY  the server key of the event's site
  EVENTFERRY_URL

Examples:
  eventferry send hello --email ada@example.com
  eventferry send invoice:paid '{"total": 12}' --email ada@example.com \\
    --url https://shop.example/ferry
  eventferry send --type login '{"firstname": "Ada"}' --user-id 1815
  eventferry send --type confirmation '{"orderId": "A-1001", "total": 99.9}' \\
    --email ada@example.com
`,
	async run(given) {
		const { email, "user-id": userId } = given;
		const what = readEvent(given);
		if (email === undefined && userId === undefined)
			throw new UsageError("send needs --email or --user-id, which name the event's person");
		const event = { id: randomUUID(), at: Date.now(), person: { email, userId }, ...what };
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
		const person = email ?? userId ?? "";
		if (!given.json) out(`accepted: ${visible(what.name ?? what.type)} of ${visible(person)}, id ${event.id}\n`);
		return 0;
	},
};
