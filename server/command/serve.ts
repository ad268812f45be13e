import { configVariables, unknownVariables } from "../config/config.ts";
import { serve } from "../serve.ts";
import { type Arguments, type Command, UsageError } from "./command.ts";
import { err, wrapped } from "./print.ts";

/** Options of the command line that override the environment and the file. */
export const overridesOf = ({ port, host, store }: Arguments): Record<string, unknown> => ({
	...(port !== undefined && { port: /^\d+$/.test(port) ? Number(port) : port }),
	...(host !== undefined && { host }),
	...(store !== undefined && { store }),
});

export function warnOfUnknownVariables(): void {
	for (const { name, meant } of unknownVariables()) {
		err(`eventferry: ${name} is no variable of eventferry${meant ? `: is ${meant} meant?` : ""}\n`);
	}
}

export const variablesHelp = `Variables, each also as NAME_FILE, a file that contains the value:
${wrapped(configVariables)}`;

export const serveExamples = `Examples:
  eventferry serve --sandbox
  EVENTFERRY_WRITE_KEY=site_shop EVENTFERRY_ORIGINS=https://shop.example \\
    CRISP_WEBSITE_ID=… CRISP_IDENTIFIER=… CRISP_KEY=… eventferry serve
`;

export const serveCommand: Command = {
	name: "serve",
	summary: "starts the proxy; --sandbox needs no credentials",
	options: ["port", "host", "config", "store", "sandbox", "help"],
	help: `Prints one line when it is ready: eventferry listening on http://127.0.0.1:8788
On SIGTERM it refuses new requests, finishes others (within 10 s), and ends.

${serveExamples}
${variablesHelp}`,
	async run(given) {
		warnOfUnknownVariables();
		if (given.sandbox && given.config !== undefined) {
			throw new UsageError("--sandbox brings its own configuration: leave --config out");
		}
		return serve({ file: given.config, overrides: overridesOf(given), sandbox: given.sandbox ?? false });
	},
};
