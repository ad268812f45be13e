import { readFileSync } from "node:fs";
import { listed } from "../../shared/listed.ts";
import { ConfigError } from "../config/config.ts";
import { StoreOpenError } from "../outbox/outbox.ts";
import { definitions, providerNames } from "../providers/registry.ts";
import { version } from "../version.ts";
import {
	briefOf,
	type Command,
	CommandError,
	checkArguments,
	environmentFile,
	helpOf,
	interrupt,
	parseArguments,
	UsageError,
} from "./command.ts";
import { didYouMean } from "./nearest.ts";
import { err, out, outJson } from "./print.ts";

/** Commands, each loaded when it is run: `serve` needs neither the time nor the memory of the others. */
const commands: Record<string, () => Promise<Command>> = {
	init: async () => (await import("./init.ts")).initCommand,
	serve: async () => (await import("./serve.ts")).serveCommand,
	check: async () => (await import("./check.ts")).checkCommand,
	snippet: async () => (await import("./snippet.ts")).snippetCommand,
	send: async () => (await import("./send.ts")).sendCommand,
	explain: async () => (await import("./explain.ts")).explainCommand,
	deadletters: async () => (await import("./dead-letters.ts")).deadLettersCommand,
	journal: async () => (await import("./journal.ts")).journalCommand,
	stats: async () => (await import("./stats.ts")).statsCommand,
	migrate: async () => (await import("./migrate.ts")).migrateCommand,
	backup: async () => (await import("./backup.ts")).backupCommand,
};

const titles = listed(
	providerNames.map((name) => definitions[name].title),
	"and",
);

async function usage(): Promise<string> {
	const { serveExamples, variablesHelp } = await import("./serve.ts");
	const all = await Promise.all(Object.values(commands).map((load) => load()));
	return `eventferry carries your website's events to ${titles}.

${all.map(briefOf).join("")}
  eventferry COMMAND --help
      its options, with examples
  eventferry --version

${serveExamples}
${variablesHelp}
Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 after Ctrl+C
(serve ends in order then, with 0).
`;
}

async function findCommand(name: string | undefined): Promise<Command | undefined> {
	return name !== undefined && Object.hasOwn(commands, name) ? commands[name]?.() : undefined;
}

async function commandOf(name: string | undefined): Promise<Command> {
	const command = await findCommand(name);
	if (command) return command;
	if (name === undefined) throw new UsageError("which command? see eventferry --help");
	const meant = didYouMean(name, Object.keys(commands));
	throw new UsageError(`there is no command "${name}"${meant || ":"} see eventferry --help`);
}

/** Says where a missing variable is to be found: in the file that `init` wrote, or by `init`. Empty if nothing is missing. */
function hintOf({ mistakes }: ConfigError): string {
	const missing = mistakes.filter(({ message }) => message.startsWith("is missing")).map(({ name }) => name);
	let lines: string[];
	try {
		lines = readFileSync(environmentFile, "utf8").split("\n");
	} catch {
		return missing.includes("EVENTFERRY_WRITE_KEY") ? "\nTo make a configuration: eventferry init" : "";
	}
	const isThere = missing.some((name) => lines.some((line) => line.startsWith(`${name}=`) && line !== `${name}=`));
	if (!isThere) return "";
	return `\n${environmentFile} has it, but its variables are not set here: set -a; . ./${environmentFile}; set +a`;
}

function explain(error: unknown): string {
	if (error instanceof ConfigError) return error.message + hintOf(error);
	if (error instanceof UsageError) return error.message;
	if (error instanceof CommandError || error instanceof StoreOpenError) return error.message;
	const isTaken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
	return isTaken ? "the port is taken: choose another with --port, or 0 for any free one" : String(error);
}

/** Runs one command; resolves to its exit code. Explains a failure on stderr, without secrets. */
export async function run(args: string[]): Promise<number> {
	let json = false;
	try {
		const given = await parseArguments(args, async (name) => (await findCommand(name))?.options);
		json = given.json ?? false;
		const isHelp = given.command === "help";
		const subject = isHelp ? given.operands[0] : given.command;
		if (given.version) out(`${version}\n`);
		else if (isHelp || given.help) out(subject === undefined ? await usage() : helpOf(await commandOf(subject)));
		else {
			const command = await commandOf(given.command);
			checkArguments(command, given);
			// After Ctrl+C `serve` ends in order.
			if (command.name !== "serve") process.once("SIGINT", interrupt);
			return await command.run(given);
		}
		return 0;
	} catch (error) {
		if (json && error instanceof ConfigError) outJson({ ok: false, mistakes: error.mistakes });
		err(`eventferry: ${explain(error)}\n`);
		return error instanceof ConfigError || error instanceof UsageError ? 2 : 1;
	} finally {
		process.off("SIGINT", interrupt);
	}
}
