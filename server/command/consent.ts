import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { type Arguments, CommandError, interrupt, UsageError } from "./command.ts";
import { err } from "./print.ts";

/** Reads ids from `--id` and from the arguments after the action. Returns undefined if none is given. */
export function idsOf({ command, operands, id = [] }: Arguments, ofWhat: string): string[] | undefined {
	const given = [...id, ...operands.slice(1)];
	const ids = given.flatMap((text) => text.split(",")).filter((text) => text !== "");
	// An empty variable of a script must not select everything.
	if (given.length > 0 && ids.length === 0)
		throw new UsageError(`the id of ${ofWhat} is empty: see eventferry ${command} list`);
	const wrong = ids.find((text) => !/^\d+$/.test(text));
	if (wrong !== undefined)
		throw new UsageError(`"${wrong}" is not the id of ${ofWhat}: see eventferry ${command} list`);
	return ids.length > 0 ? ids : undefined;
}

/** Tells whether the command may ask: at a terminal, without `--yes`. */
export const canAsk = ({ yes }: Arguments): boolean => !yes && process.stdin.isTTY && process.stderr.isTTY;

/** Throws {@link UsageError} for a change of everything, unless the command can ask or has `--all --yes`. */
export function requireConsent(given: Arguments, change: string, selections: string): void {
	if (canAsk(given) || (given.all && given.yes)) return;
	throw new UsageError(`to ${change} without being asked, add --all --yes; else select some: ${selections}`);
}

/** Asks a question at a terminal; resolves to the answer, which is empty after Ctrl+D. Ctrl+C ends the process. */
export async function question(text: string): Promise<string> {
	const terminal = createInterface({ input: process.stdin, output: process.stderr });
	terminal.once("SIGINT", () => {
		err("\n");
		interrupt();
	});
	// Ctrl+D closes the terminal; whether the question then fails depends on the version of Node.
	const closed = once(terminal, "close").then(() => "\n");
	const answered = terminal.question(text).catch(() => "\n");
	const answer = await Promise.race([answered, closed]).finally(() => terminal.close());
	if (answer === "\n") err(answer);
	return answer.trim();
}

/** Asks for confirmation at a terminal. */
export async function confirm(text: string): Promise<void> {
	if (!/^y(es)?$/i.test(await question(`${text} [y/N] `))) throw new CommandError("nothing was done");
}
