import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type Line, parseLine } from "./record.ts";

/**
 * Runs a bench in a process of its own, for at most `minutes`, and passes each printed line to `onLine`. Resolves to a
 * reason if the bench ended early without reporting a failure.
 */
export async function runBench(
	file: string,
	args: string[],
	minutes: number,
	onLine: (line: Line) => void,
): Promise<string | undefined> {
	const child = spawn(process.execPath, [file, ...args, "--json"], { stdio: ["ignore", "pipe", "inherit"] });
	const ended = once(child, "close");
	// A bench that hangs must not keep the next ones from running.
	const tooLong = setTimeout(() => child.kill(), minutes * 60_000);
	let hasFailures = false;
	try {
		for await (const text of createInterface({ input: child.stdout })) {
			const line = parseLine(text);
			hasFailures ||= "failure" in line;
			onLine(line);
		}
		const [code, signal] = await ended;
		if (signal) return `was killed by ${signal}; its time limit is ${minutes} minutes`;
		// Failed sections have already printed their reasons.
		return code === 0 || hasFailures ? undefined : `ended with exit code ${code}`;
	} catch (error) {
		child.kill();
		return `printed a line that is not a bench's JSON: ${error instanceof Error ? error.message : String(error)}`;
	} finally {
		clearTimeout(tooLong);
	}
}
