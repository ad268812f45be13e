import { writeFileSync } from "node:fs";
import type { Reporter, SerializedError, TestModule } from "vitest/node";

/** Results of a run of the tests. */
export interface Results {
	files: {
		path: string;
		/** True if every test passed, and no error came from the file outside of its tests. */
		isPassed: boolean;
		tests: { name: string; state: string; why: string }[];
	}[];
	/** True if an error came from no known file. */
	hasOtherError: boolean;
}

const isOf = (path: string, error: SerializedError) => error.VITEST_TEST_PATH === path;

/**
 * Makes the reporter that writes the results to the file that `RESULTS` names. Vitest's own JSON lacks the errors outside
 * of tests, such as an unhandled rejection, for which a run fails.
 */
export default function createReporter(): Reporter {
	return {
		onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
			const files = modules.map((module) => ({
				path: module.moduleId,
				isPassed: module.ok() && !errors.some((error) => isOf(module.moduleId, error)),
				tests: [...module.children.allTests()].map((test) => {
					const { state, errors: [first] = [] } = test.result();
					return { name: test.fullName, state, why: first?.message ?? "" };
				}),
			}));
			const hasOtherError = errors.some((error) => !files.some(({ path }) => isOf(path, error)));
			writeFileSync(process.env.RESULTS ?? "results.json", JSON.stringify({ files, hasOtherError } satisfies Results));
		},
	};
}
