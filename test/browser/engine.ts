import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import type { BrowserContext, Page as PlaywrightPage } from "playwright-core";

/** A page of a visitor: the part of Playwright's `Page` that the stories for all engines use. */
export interface Page extends Pick<PlaywrightPage, "evaluate" | "title"> {
	goto(url: string): Promise<unknown>;
	reload(): Promise<unknown>;
	goBack(): Promise<unknown>;
	click(selector: string): Promise<void>;
	/** Closes the page. `runBeforeUnload` closes it as the visitor would, so that it is told. */
	close(options?: { runBeforeUnload?: boolean }): Promise<void>;
	/** Resolves once the function returns true, in whatever document the page shows by then. */
	waitForFunction(isTrue: () => unknown): Promise<unknown>;
	/** Resolves once the page has loaded a URL that matches the pattern. */
	waitForURL(url: RegExp): Promise<unknown>;
	on(type: "console", listener: (message: { type(): string; text(): string }) => void): unknown;
	on(type: "pageerror", listener: (error: Error) => void): unknown;
}

/** A visitor: pages that share cookies and storage with each other only. */
export interface Visitor extends Pick<BrowserContext, "addInitScript"> {
	newPage(): Promise<Page>;
	/** Script that the site has to put into its pages, where the engine cannot run one before theirs. */
	preamble?(): string;
	close(): Promise<void>;
}

/** A browser that shows a page and is not driven: it looks like a visitor's, and its page does all of the story. */
interface Undriven {
	/** Ends all processes of the browser at once, as a crash or an empty battery would. */
	kill(): Promise<void>;
}

export interface Engine {
	/** Opens a visitor's context: empty storage, and no sign of automation unless `isDriven`. */
	visitor(options?: { isDriven?: boolean; userAgent?: string }): Promise<Visitor>;
	/**
	 * Starts a separate browser that shows a page, with its profile in a folder. A later browser in this folder finds
	 * only data that reached the disk.
	 * @param isBlocked True where the visitor's settings forbid cookies and all storage.
	 */
	run(url: string, folder: string, isBlocked?: boolean): Promise<Undriven>;
	close(): Promise<void>;
}

/** `shell` is the Chromium installed by npm: a headless shell, which has no settings of a visitor. */
export type EngineName = "shell" | "chromium" | "firefox" | "webkit";

/** Engine of this run, which the projects of `npm run test:browsers` set. */
const name = (process.env.ENGINE ?? (process.env.CHROMIUM_PATH ? "chromium" : "shell")) as EngineName;

export async function launchEngine(): Promise<Engine> {
	if (name === "firefox") return (await import("./firefox.ts")).launchFirefox();
	if (name === "webkit") return (await import("./webkit.ts")).launchWebKit();
	return (await import("./chromium.ts")).launchChromium();
}

/** True in the engines that leave a story out, and then logs the reason. */
export function isLeftOut(engines: EngineName[], reason: string): boolean {
	if (!engines.includes(name)) return false;
	process.stdout.write(`left out in ${name}: ${reason}\n`);
	return true;
}

const running = new Set<{ kill(): Promise<void> }>();

/** Ends what a failed story has left running. */
export const endAll = () => Promise.all([...running].map((program) => program.kill()));

/** Starts a program in a process group of its own. */
export function start(command: string, args: string[], env: Record<string, string | undefined> = {}) {
	const child = spawn(command, args, {
		detached: true,
		stdio: ["ignore", "ignore", "pipe"],
		env: { ...process.env, ...env },
	});
	// Only the line that `lineOf` looks for is read.
	child.stderr.resume();
	// Also rejects if the program is missing.
	const exited = once(child, "exit").catch(() => {});
	const program = Object.assign(child, {
		/** Ends all processes of the group at once. */
		async kill() {
			try {
				if (child.pid) process.kill(-child.pid, "SIGKILL");
			} catch {
				// All of them have ended.
			}
			await exited;
			running.delete(program);
		},
	});
	running.add(program);
	return program;
}

export type Started = ReturnType<typeof start>;

/** Resolves to the group of the pattern, in the first line of the error output that matches it. */
export async function lineOf({ stderr, spawnfile }: Started, pattern: RegExp): Promise<string> {
	for await (const line of createInterface(stderr)) {
		const match = pattern.exec(line);
		if (!match) continue;
		stderr.resume();
		return match[1] ?? "";
	}
	throw new Error(`${spawnfile} is missing or ended before it was ready`);
}

/** Source of a call of a function that runs in a page. */
export const callOf = (work: unknown, argument: unknown): string =>
	typeof work === "string" ? work : `(${work})(${argument === undefined ? "" : JSON.stringify(argument)})`;

/** Source of a function that turns a result into JSON; undefined if it has no JSON, as a window has none. */
export const toJson = "((value) => { try { return JSON.stringify(value); } catch {} })";

/** Resolves to nothing if the result had no JSON. */
export const fromJson = (text: string | undefined) => (text === undefined ? undefined : JSON.parse(text)) as never;

/** Script that sets `navigator.webdriver`. */
export const saysDriven = (isDriven: boolean) =>
	`Object.defineProperty(Navigator.prototype, "webdriver", { get: () => ${isDriven}, configurable: true })`;

/** Methods of a page that are the same in every engine that evaluates scripts. */
export function watching(evaluate: PlaywrightPage["evaluate"]) {
	const until = async (isTrue: (() => unknown) | string): Promise<void> => {
		// A document that is being replaced rejects.
		while (!(await evaluate<unknown>(isTrue as string).catch(() => false)));
	};
	return {
		title: () => evaluate(() => document.title),
		waitForFunction: until,
		waitForURL: (url: RegExp) => until(`${url}.test(location.href) && document.readyState === "complete"`),
	};
}
