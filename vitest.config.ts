import { resolve } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";

// Threads of the SQLite store load TypeScript, from which Node strips the types by WebAssembly, in each thread anew. V8
// can abort a process whose threads compile and free such code: https://github.com/nodejs/node/issues/64500. From the
// cache they get JavaScript, and start in half the time.
process.env.NODE_COMPILE_CACHE ??= resolve("node_modules/.cache/compile");

/**
 * Projects whose tests wait for a database, a process or a browser. `folder` is a folder of `test/`, and `seconds` the
 * time limit of one test, chosen for a busy machine.
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

/**
 * Projects of `npm run test:browsers`: the stories of test/browser/ in browsers that are installed on the machine. The
 * files that are not named here use Playwright, which drives neither Firefox nor WebKit as distributions ship them.
 */
const engine = (name: string, files: string, env: Record<string, string> = {}) => {
	const { test, ...rest } = project(name, 60, `test/browser/${files}.test.ts`);
	// A shared machine can be too slow for a test once, not twice.
	return { ...rest, test: { ...test, retry: 1, env: { ENGINE: name, ...env } } };
};
const stories = "{blocked,loss,network,script-tag,storage,tabs,tracker}";
const engines = [
	engine("firefox", stories),
	engine("webkit", stories),
	// Only what the headless shell of npm cannot do: `npm test` runs the rest in it.
	engine("chromium", "blocked", { CHROMIUM_PATH: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium" }),
];

const within = (folder: string) => `test/${folder}/**/*.test.ts`;

export default defineConfig(({ mode }) => ({
	test: {
		// On two cores, more workers would only make waiting tests wait longer.
		maxWorkers: 2,
		// V8's protection of code pages by hardware keys can abort a process whose threads come and go, as those of the
		// SQLite store do in its tests: https://github.com/nodejs/node/issues/64500
		execArgv: ["--no-memory-protection-keys"],
		// A polled condition may take long on a busy machine. One that never comes true still fails.
		expect: { poll: { timeout: 60_000, interval: 20 } },
		projects:
			mode === "browsers"
				? engines
				: [
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
}));
