import { configDefaults, defineConfig } from "vitest/config";

/**
 * Projects whose tests wait for a database, a process or a browser: the folder of each under `test/`, and the seconds
 * that one of its tests may take on a busy machine.
 */
const slow = [
	{ name: "store", folder: "unit/outbox", seconds: 120 },
	{ name: "contracts", folder: "contracts", seconds: 120 },
	{ name: "package", folder: "package", seconds: 180 },
	{ name: "browser", folder: "browser", seconds: 180 },
	{ name: "hostile", folder: "hostile", seconds: 180 },
	{ name: "faults", folder: "faults", seconds: 180 },
];

const project = (name: string, seconds: number, include: string, exclude: string[] = []) => ({
	// Inherits `maxWorkers` and `expect` from the configuration below.
	extends: true as const,
	test: {
		name,
		include: [include],
		exclude: [...configDefaults.exclude, ...exclude],
		testTimeout: seconds * 1_000,
		hookTimeout: seconds * 1_000,
	},
});

const within = (folder: string) => `test/${folder}/**/*.test.ts`;

export default defineConfig({
	test: {
		// Two cores: more workers than that only make waiting tests wait longer.
		maxWorkers: 2,
		// What is waited for may take long on a busy machine; what never comes fails all the same.
		expect: { poll: { timeout: 60_000, interval: 20 } },
		projects: [
			// All other tests. They need no build.
			project(
				"unit",
				10,
				"test/**/*.test.ts",
				slow.map(({ folder }) => within(folder)),
			),
			...slow.map(({ name, folder, seconds }) => project(name, seconds, within(folder))),
		],
	},
});
