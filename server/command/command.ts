import { parseArgs } from "node:util";
import { listed } from "../../shared/listed.ts";
import { providerNames } from "../providers/registry.ts";
import { didYouMean } from "./nearest.ts";
import { wrapped } from "./print.ts";

const names = listed(providerNames, "or");

/** Name of the file of variables that `init` writes by default. */
export const environmentFile = "eventferry.env";

/** Options of all commands; each command lists those it takes. `value` is the placeholder in help texts. */
const options = {
	port: { type: "string", value: "8788", help: "the port to listen on; 0 is any free one" },
	host: { type: "string", value: "127.0.0.1", help: "the address to listen on" },
	config: { type: "string", value: "FILE", help: "default eventferry.config.mjs or .json, if one exists" },
	store: { type: "string", value: "URL", help: "sqlite:FILE or postgres://…; default sqlite:./eventferry.db" },
	from: { type: "string", value: "URL", help: "the store to move: sqlite:FILE" },
	to: { type: "string", value: "URL", help: "the store to move to: postgres://…" },
	schema: { type: "boolean", help: "bring the store at --to up to date" },
	sandbox: { type: "boolean", help: "simulated providers, and a small shop to try" },
	wait: { type: "boolean", help: "then wait for the first event of a page" },
	origin: { type: "string", multiple: true, value: "URL", help: "an origin of your pages; repeat it for more" },
	"write-key": { type: "string", value: "KEY", help: "your site's name in its pages; default by its origin" },
	file: { type: "string", value: "FILE", help: `the file to write; default ${environmentFile}` },
	live: { type: "boolean", help: "ask each provider whether it accepts the credentials" },
	url: { type: "string", value: "URL", help: "address of the proxy; default http://127.0.0.1:8788" },
	email: { type: "string", value: "E", help: "the person's e-mail" },
	"user-id": { type: "string", value: "U", help: "the person's userId, alone or beside the e-mail" },
	type: { type: "string", value: "T", help: "the event's type; default track" },
	destination: { type: "string", value: "D", help: `only those for ${names}, or your own` },
	reason: { type: "string", value: "R", help: "only those with this reason" },
	person: { type: "string", value: "P", help: "only those of this person: an e-mail or a userId" },
	name: { type: "string", value: "N", help: "only those of events of this name" },
	since: { type: "string", value: "TIME", help: "only those tried since: 2h, 3d, 2026-11-28T18:30" },
	limit: { type: "string", value: "COUNT", help: "at most so many, the oldest" },
	id: { type: "string", multiple: true, value: "ID…", help: "only these" },
	adopt: { type: "boolean", help: "a tag more, which observes the calls of other trackers" },
	all: { type: "boolean", help: "all of them" },
	yes: { type: "boolean", short: "y", help: "ask nothing" },
	json: { type: "boolean", help: "print JSON" },
	help: { type: "boolean", short: "h", help: "this text" },
	version: { type: "boolean", short: "v", help: "the version" },
} as const;

type Option = keyof typeof options;
const allOptions = Object.keys(options) as Option[];

/** A command of `eventferry`. */
export interface Command {
	name: string;
	/** The command's effect, in one line. */
	summary: string;
	/** Arguments after the command's name, without the options. */
	operands?: string;
	/** Maximum number of these arguments; default 0. */
	maxOperands?: number;
	options: readonly Option[];
	/** Further explanation, and examples. */
	help: string;
	/** Runs the command; resolves to the exit code. */
	run(given: Arguments): Promise<number>;
}

/** A mistake on the command line: exit code 2. */
export class UsageError extends Error {
	override readonly name = "UsageError";
	readonly code = "usage";
}

/** A command that failed, with a message for people: exit code 1. */
export class CommandError extends Error {
	override readonly name = "CommandError";
	readonly code = "failed";
}

/** Ends the process after Ctrl+C, with 128 and the number of SIGINT, as shells do. */
export const interrupt = (): never => process.exit(130);

/** Explains a command line that cannot be parsed. `optionsOf` finds the options of a command. */
async function reasonOf(cause: unknown, args: string[], optionsOf: OptionsOf): Promise<string> {
	// Node's second sentence is advice on arguments that begin with a dash.
	const [reason = ""] = cause instanceof Error ? cause.message.split(". ") : [];
	const { positionals } = parseArgs({ args, options, allowPositionals: true, strict: false });
	const [, unknown] = /^Unknown option '(-[^']*)'/.exec(reason) ?? [];
	const known = await optionsOf(positionals[0]);
	const meant =
		unknown === undefined
			? ""
			: didYouMean(
					unknown,
					(known ?? allOptions).map((option) => `--${option}`),
				);
	return `${reason}${meant || ":"} see eventferry ${known ? `${positionals[0]} ` : ""}--help`;
}

type OptionsOf = (command: string | undefined) => Promise<readonly Option[] | undefined>;

/** Parses a command line. `optionsOf` finds the options of a command, if there is one. Rejects with {@link UsageError}. */
export async function parseArguments(args: string[], optionsOf: OptionsOf) {
	try {
		const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
		return { ...values, command: positionals[0], operands: positionals.slice(1) };
	} catch (cause) {
		throw new UsageError(await reasonOf(cause, args, optionsOf), { cause });
	}
}

export type Arguments = Awaited<ReturnType<typeof parseArguments>>;

/** Throws {@link UsageError} for an option or an argument that the command does not take. */
export function checkArguments({ name, options: own, maxOperands = 0 }: Command, given: Arguments): void {
	const known: readonly string[] = own;
	const foreign = Object.keys(options).find((option) => option in given && !known.includes(option));
	if (foreign !== undefined) throw new UsageError(`${name} takes no --${foreign}: see eventferry ${name} --help`);
	const surplus = given.operands[maxOperands];
	if (surplus !== undefined) throw new UsageError(`${name} takes no "${surplus}": see eventferry ${name} --help`);
}

const withValue = (option: Option) => {
	const { type, ...more } = options[option];
	return `--${option}${type === "string" && "value" in more ? ` ${more.value}` : ""}`;
};

/** Formats a command's help. */
export function helpOf({ name, summary, operands, options: own, help }: Command): string {
	const lines = own.map((option) => `  ${withValue(option).padEnd(18)} ${options[option].help}`);
	const usage = ["eventferry", name, operands, "[options]"].filter(Boolean).join(" ");
	return `${usage}\n  ${summary}\n\n${lines.join("\n")}\n\n${help}`;
}

/** Formats a command for the list of commands. */
export function briefOf({ name, summary, operands = "", options: own }: Command): string {
	const shown = own.filter((option) => option !== "help" && !operands.includes(`--${option}`));
	const words = ["eventferry", name, operands, ...shown.map((option) => `[${withValue(option)}]`)];
	return `${wrapped(words.filter(Boolean), 2)}      ${summary}\n`;
}
