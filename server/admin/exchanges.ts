import type { ExchangeReply } from "../../shared/admin.ts";
import { masked, maskedJson } from "../../shared/masking.ts";
import type { KeptExchange } from "../observe/exchanges.ts";
import type { Observed } from "../observe/observed.ts";

export interface ExchangeOptions extends Pick<Observed, "labelOf"> {
	/** Removes the configuration's secrets from a text. */
	hideSecrets(text: string): string;
	/** True to show what is about the person. */
	show: boolean;
}

type Shown = ExchangeReply["exchanges"][number];

/** Reads a body as JSON, else as text. A clipped one is text. */
function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}

/** Shows an exchange to an operator, masked unless they ask for all. Never shows a secret of the configuration. */
export function exchangeView(
	{ at, destination, events, request, path, sent, answer, outcome, status, ms }: KeptExchange,
	{ labelOf, hideSecrets, show }: ExchangeOptions,
): Shown {
	const [method = ""] = request.split(" ");
	// Names of events are not masked, wherever they stand.
	const plain = events.flatMap(({ type, name }) => (name === undefined ? [type] : [type, name]));
	const body = (text: string) => {
		// Written anew, as an answer may have escaped parts of a secret.
		const value = parsed(hideSecrets(JSON.stringify(parsed(text))));
		if (show) return value;
		return typeof value === "string" ? masked({ userId: value }) : maskedJson(value, plain);
	};
	return {
		at,
		site: labelOf(destination.site),
		destination: destination.name,
		request: show ? hideSecrets(`${method} /${path.map(encodeURIComponent).join("/")}`) : request,
		...(sent !== undefined && { sent: body(sent) }),
		...(answer !== undefined && { answer: body(answer) }),
		outcome,
		...(status !== undefined && { status }),
		ms,
	};
}
