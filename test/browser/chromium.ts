import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import {
	type Browser,
	type BrowserContext,
	type BrowserContextOptions,
	type CDPSession,
	chromium,
	type Page as PlaywrightPage,
} from "playwright-core";
import { type Engine, lineOf, type Page, saysDriven, start } from "./engine.ts";

const run = promisify(execFile);

/** User agent of a visitor's browser. The bot filter would recognise a headless one by its own. */
const desktopUserAgent =
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36";

const args = [
	"--headless",
	"--no-sandbox",
	"--disable-gpu",
	"--disable-quic",
	"--no-first-run",
	"--disable-background-networking",
	"--disable-component-update",
	"--disable-sync",
	// Also for requests sent after a page is gone, which do not use the context's user agent.
	`--user-agent=${desktopUserAgent}`,
];

interface Executable {
	path: string;
	/** Folder of the libraries that this machine lacks. */
	libraries?: string;
}

/**
 * Unpacks the browser that comes with `@sparticuz/chromium`, once per version on this machine. Several processes may
 * do so at the same time: each unpacks into a folder of its own, and the first to rename it wins.
 */
async function unpack(): Promise<string> {
	const entry = createRequire(import.meta.url).resolve("@sparticuz/chromium");
	const root = entry.slice(0, entry.lastIndexOf("/build/"));
	const { version } = createRequire(import.meta.url)(join(root, "package.json"));
	const folder = join(tmpdir(), `eventferry-chromium-${version}-${process.getuid?.() ?? "user"}`);
	if (existsSync(folder)) return folder;

	const own = await mkdtemp(join(tmpdir(), "eventferry-chromium-"));
	try {
		// The package unpacks below the temporary folder, and unpacks its libraries only in AWS Lambda.
		const script = `import(${JSON.stringify(entry)}).then((module) => (module.default.default ?? module.default).executablePath())`;
		await run(process.execPath, ["-e", script], {
			env: { PATH: "/usr/bin:/bin", TMPDIR: own, AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x" },
		});
		await mkdir(dirname(folder), { recursive: true });
		await rename(own, folder);
	} catch (cause) {
		await rm(own, { recursive: true, force: true });
		if (!existsSync(folder)) throw cause;
	}
	return folder;
}

async function findChromium(): Promise<Executable> {
	if (process.env.CHROMIUM_PATH) return { path: process.env.CHROMIUM_PATH };
	const folder = await unpack();
	const path = join(folder, "chromium");
	try {
		await run(path, ["--version"]);
		return { path };
	} catch {
		return { path, libraries: join(folder, "al2023", "lib") };
	}
}

export interface Chromium extends Engine {
	browser: Browser;
	visitor(options?: BrowserContextOptions & { isDriven?: boolean }): Promise<BrowserContext>;
}

/** A page as Playwright drives it, for stories that run in Chromium alone. */
export const playwrightOf = (page: Page): PlaywrightPage => page as PlaywrightPage;

/** Opens the Chromium DevTools protocol of a page, which other engines lack. */
export const protocolOf = (page: Page): Promise<CDPSession> =>
	playwrightOf(page).context().newCDPSession(playwrightOf(page));

/** Starts Chromium with its profile in a folder. */
async function startProfile(folder: string, own: string[]) {
	const { path, libraries } = await findChromium();
	const all = [...args, `--user-data-dir=${folder}`, "--remote-debugging-port=0", ...own];
	return start(path, all, libraries ? { LD_LIBRARY_PATH: libraries } : {});
}

/** Starts a real Chromium: the one installed by npm, or the executable at `CHROMIUM_PATH`. */
export async function launchChromium(): Promise<Chromium> {
	const { path, libraries } = await findChromium();
	const browser = await chromium.launch({
		executablePath: path,
		args,
		...(libraries && { env: { ...process.env, LD_LIBRARY_PATH: libraries } }),
	});
	return {
		browser,
		async visitor({ isDriven = false, ...options } = {}) {
			const context = await browser.newContext({ userAgent: desktopUserAgent, locale: "en-US", ...options });
			await context.addInitScript(saysDriven(isDriven));
			return context;
		},
		async run(url, folder, isBlocked = false) {
			const blocked = { profile: { default_content_setting_values: { cookies: 2 } } };
			await mkdir(join(folder, "Default"), { recursive: true });
			if (isBlocked) await writeFile(join(folder, "Default/Preferences"), JSON.stringify(blocked));
			// Without the sign of automation that a headless browser gives.
			return startProfile(folder, ["--disable-blink-features=AutomationControlled", url]);
		},
		close: () => browser.close(),
	};
}

export interface Profile {
	/** The context of the profile's visitor. */
	visitor: BrowserContext;
	/** Ends all processes of the browser at once, as a crash or an empty battery would. */
	kill(): Promise<void>;
}

/** Starts a separate Chromium with its profile in a folder, so that a later one finds only data that reached the disk. */
export async function launchProfile(folder: string): Promise<Profile> {
	const started = await startProfile(folder, ["about:blank"]);
	const browser = await chromium.connectOverCDP(await lineOf(started, /DevTools listening on (\S+)/));
	const [visitor] = browser.contexts();
	if (!visitor) throw new Error("Chromium has no context");
	await visitor.addInitScript(saysDriven(false));
	return {
		visitor,
		async kill() {
			await started.kill();
			await browser.close();
		},
	};
}
