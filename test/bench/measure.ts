import { tables } from "./print.ts";
import type { Line } from "./record.ts";
import type { Result } from "./result.ts";

/** Reports that a part of a section could not be measured, with the reason. */
export type Fail = (subject: string, error: unknown) => void;

/** Measures one section; resolves to its results, rejects if it has none. */
export type Section = (fail: Fail) => Promise<Result[]>;

export interface MeasureOptions {
	json: boolean;
	/** Versions of the peers and of other software involved, by name. */
	versions?: Record<string, string>;
	/** Cleans up after each section. */
	after?(): Promise<void>;
}

/**
 * Runs sections one after the other and prints their results: tables at the end, or lines of JSON as it goes. Reports a
 * failed section and runs the next one; resolves to true if none has failed.
 */
export async function measure(
	sections: Record<string, Section>,
	{ json, versions = {}, after }: MeasureOptions,
): Promise<boolean> {
	const results: Result[] = [];
	const failures: string[] = [];
	const printLine = (line: Line) => json && process.stdout.write(`${JSON.stringify(line)}\n`);
	printLine({ versions });
	for (const [section, run] of Object.entries(sections)) {
		process.stderr.write(`${section} …\n`);
		const since = performance.now();
		const fail: Fail = (subject, error) => {
			const failure = `${subject}: ${error instanceof Error ? error.message : String(error)}`;
			failures.push(failure);
			printLine({ section, failure });
			process.stderr.write(`failed: ${failure}\n`);
		};
		try {
			const measured = await run(fail);
			results.push(...measured);
			for (const result of measured) printLine({ section, result });
		} catch (error) {
			fail(section, error);
		}
		printLine({ section, seconds: (performance.now() - since) / 1_000 });
		await after?.();
	}
	if (!json) process.stdout.write(`${tables(results, failures)}\n`);
	return failures.length === 0;
}
