import { tables } from "./print.ts";
import type { Line } from "./record.ts";
import type { Result } from "./result.ts";

/** Tells that a part of a section could not be measured, and why. */
export type Fail = (what: string, error: unknown) => void;

/** Resolves to what it has found; throws when it could find nothing. */
export type Section = (fail: Fail) => Promise<Result[]>;

export interface MeasureOptions {
	json: boolean;
	/** Of what ours is measured with and beside, by name. */
	versions?: Record<string, string>;
	/** What is cleared away after each section. */
	after?(): Promise<void>;
}

/**
 * Runs sections one after the other and prints what they found: tables at the end, or lines of JSON as it goes. One that
 * fails is told, and keeps none of the others from running; resolves to whether none has.
 */
export async function measure(
	sections: Record<string, Section>,
	{ json, versions = {}, after }: MeasureOptions,
): Promise<boolean> {
	const results: Result[] = [];
	const failures: string[] = [];
	const tell = (line: Line) => json && process.stdout.write(`${JSON.stringify(line)}\n`);
	tell({ versions });
	for (const [section, run] of Object.entries(sections)) {
		process.stderr.write(`${section} …\n`);
		const since = performance.now();
		const fail: Fail = (what, error) => {
			const failure = `${what}: ${error instanceof Error ? error.message : String(error)}`;
			failures.push(failure);
			tell({ section, failure });
			process.stderr.write(`failed: ${failure}\n`);
		};
		try {
			const found = await run(fail);
			results.push(...found);
			for (const result of found) tell({ section, result });
		} catch (error) {
			fail(section, error);
		}
		tell({ section, seconds: (performance.now() - since) / 1_000 });
		await after?.();
	}
	if (!json) process.stdout.write(`${tables(results, failures)}\n`);
	return failures.length === 0;
}
