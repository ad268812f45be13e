import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type Line, parseLine } from "./record.ts";

/** Runs a bench in a process of its own, for so many minutes at most; resolves to why it ended before its end, if it did. */
export async function runBench(
	file: string,
	args: string[],
	minutes: number,
	hear: (line: Line) => void,
): Promise<string | undefined> {
	const child = spawn(process.execPath, [file, ...args, "--json"], { stdio: ["ignore", "pipe", "inherit"] });
	const ended = once(child, "close");
	// What hangs must not keep the others from being measured.
	const tooLong = setTimeout(() => child.kill(), minutes * 60_000);
	let hasFailures = false;
	try {
		for await (const text of createInterface({ input: child.stdout })) {
			const line = parseLine(text);
			hasFailures ||= "failure" in line;
			hear(line);
		}
		const [code, signal] = await ended;
		if (signal) return `was ended by ${signal}, after ${minutes} minutes at most`;
		// Its sections have said why.
		return code === 0 || hasFailures ? undefined : `ended with ${code}`;
	} catch (error) {
		child.kill();
		return `said what nobody understands: ${error instanceof Error ? error.message : String(error)}`;
	} finally {
		clearTimeout(tooLong);
	}
}
