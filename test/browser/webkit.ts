import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import {
	callOf,
	type Engine,
	fromJson,
	lineOf,
	type Page,
	saysDriven,
	start,
	toJson,
	type Visitor,
	watching,
} from "./engine.ts";

const browser =
	process.env.MINIBROWSER_PATH ??
	`/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/webkit2gtk-4.1/MiniBrowser`;

/** Environment in which MiniBrowser needs neither a graphics card nor a namespace of its own. */
const plain = {
	GDK_BACKEND: "x11",
	LC_ALL: "en_US.UTF-8",
	LIBGL_ALWAYS_SOFTWARE: "1",
	WEBKIT_DISABLE_DMABUF_RENDERER: "1",
	WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1",
};

async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	server.close();
	await once(server, "close");
	return address && typeof address === "object" ? address.port : 0;
}

interface Line {
	type: string;
	text: string;
}

/** State of a call in a page. */
interface Outcome {
	isSettled?: boolean;
	/** JSON of the result. */
	value?: string;
	error?: string;
}

/** Collects the lines of a page's console, which WebDriver does not report. Runs in the page. */
function collect() {
	const lines: Line[] = [];
	Object.defineProperty(window, "engine", { value: { lines, results: {} } });
	for (const type of ["debug", "error", "info", "log", "warn"] as const) {
		const { console } = window;
		const real = console[type];
		console[type] = (...parts: unknown[]) => {
			lines.push({ type, text: parts.join(" ") });
			real(...parts);
		};
	}
	addEventListener("error", ({ message }) => lines.push({ type: "pageerror", text: message }));
	addEventListener("unhandledrejection", ({ reason }) => lines.push({ type: "pageerror", text: String(reason) }));
}

/** Starts a driver, and with it a browser with empty storage: https://www.w3.org/TR/webdriver2/. */
async function startSession(env: Record<string, string>, args: string[]) {
	const port = await freePort();
	const { kill } = start("WebKitWebDriver", ["-p", String(port)], env);
	let session = "";
	const request = async (method: string, path: string, body?: object): Promise<unknown> => {
		const response = await fetch(`http://127.0.0.1:${port}/session${session}${path}`, {
			method,
			...(body && { body: JSON.stringify(body) }),
		});
		const { value } = (await response.json()) as { value: { message?: string } };
		if (!response.ok) throw new Error(value.message);
		return value;
	};
	for (;;) {
		try {
			await fetch(`http://127.0.0.1:${port}/status`);
			break;
		} catch {
			await pause(20);
		}
	}
	const options = { binary: browser, args: ["--automation", ...args] };
	const capabilities = { alwaysMatch: { "webkitgtk:browserOptions": options } };
	const { sessionId } = (await request("POST", "", { capabilities })) as { sessionId: string };
	session = `/${sessionId}`;

	let last: Promise<unknown> = Promise.resolve();
	let current: string | undefined;
	return {
		/** Carries out a command in a window. The driver does one at a time, in the window chosen before. */
		command<Result>(window: string, method: string, path: string, body?: object): Promise<Result> {
			const done = last.then(async () => {
				if (current !== window) await request("POST", "/window", { handle: window });
				current = window;
				return request(method, path, body) as Promise<Result>;
			});
			last = done.catch(() => {});
			return done;
		},
		first: (await request("GET", "/window")) as string,
		async end() {
			await request("DELETE", "").catch(() => {});
			await kill();
		},
	};
}
type Session = Awaited<ReturnType<typeof startSession>>;

function pageOf({ command }: Session, window: string): Page {
	const listeners: { kind: string; listener: (given: never) => void }[] = [];
	const send = <Result>(method: string, path: string, body: object = {}) =>
		command<Result>(window, method, path, method === "POST" ? body : undefined);
	const execute = async (script: string): Promise<Outcome> => {
		const answer = await send<string>("POST", "/execute/async", { script, args: [] });
		const { lines, outcome } = JSON.parse(answer) as { lines: Line[]; outcome: Outcome };
		for (const { type, text } of lines) {
			const given = type === "pageerror" ? new Error(text) : { type: () => type, text: () => text };
			for (const { kind, listener } of listeners) {
				if (kind === (type === "pageerror" ? type : "console")) listener(given as never);
			}
		}
		return outcome;
	};
	const read = (entry: string) =>
		`const [answer] = arguments;
		// After what the call left to microtasks.
		Promise.resolve().then(() => answer(JSON.stringify({ lines: window.engine?.lines.splice(0) ?? [], outcome: ${entry} })));`;
	let calls = 0;

	/** Evaluates without occupying the driver, as a page may wait for another. */
	const evaluate = async (work: unknown, argument?: unknown) => {
		const entry = `results["${calls++}"]`;
		let outcome = await execute(`
			const { results } = (window.engine ??= { lines: [], results: {} });
			const entry = (${entry} = {});
			const settle = (outcome) => Object.assign(entry, outcome, { isSettled: true });
			const value = ${callOf(work, argument)};
			if (value instanceof Promise) value.then((value) => settle({ value: ${toJson}(value) }), (cause) => settle({ error: String(cause) }));
			else settle({ value: ${toJson}(value) });
			${read("entry")}`);
		while (!outcome.isSettled) {
			await pause(5);
			outcome = await execute(
				read(`window.engine?.${entry} ?? { isSettled: true, error: "another document is shown" }`),
			);
		}
		if (outcome.error !== undefined) throw new Error(outcome.error);
		return fromJson(outcome.value);
	};
	/** Reports the lines of the console so far. */
	const look = () => evaluate(() => {});

	return {
		...watching(evaluate),
		evaluate,
		async goto(url) {
			await send("POST", "/url", { url });
			await look();
		},
		async reload() {
			await send("POST", "/refresh");
			await look();
		},
		async goBack() {
			await send("POST", "/back");
		},
		async click(value) {
			const element = await send<Record<string, string>>("POST", "/element", { using: "css selector", value });
			await send("POST", `/element/${Object.values(element)[0]}/click`);
			await look();
		},
		async close() {
			await send("DELETE", "/window");
		},
		on(kind: "console" | "pageerror", listener: (given: never) => void) {
			listeners.push({ kind, listener });
		},
	};
}

/** Starts an X server without a screen, on which WebKitGTK's MiniBrowser runs: one for each visitor. */
export async function launchWebKit(): Promise<Engine> {
	const server = start("Xvfb", ["-displayfd", "2", "-nolisten", "tcp", "-screen", "0", "1280x800x24"]);
	const env = { ...plain, DISPLAY: `:${await lineOf(server, /^(\d+)$/)}` };
	return {
		async visitor({ isDriven = false, userAgent } = {}): Promise<Visitor> {
			const session = await startSession(env, userAgent ? [`--user-agent=${userAgent}`] : []);
			const scripts = [callOf(collect, undefined), saysDriven(isDriven)];
			return {
				async newPage() {
					// In a window of its own, as tabs hide each other. The first one stays, as the session ends with the last.
					const { handle } = await session.command<{ handle: string }>(session.first, "POST", "/window/new", {
						type: "window",
					});
					return pageOf(session, handle);
				},
				async addInitScript(script, argument) {
					scripts.push(callOf(script, argument));
					return {} as never;
				},
				preamble: () => scripts.join(";\n"),
				close: session.end,
			};
		},
		async run(url, folder, isBlocked) {
			// MiniBrowser has no setting that also denies Web Locks.
			const denied = ["--cookies-policy=never", "--enable-html5-local-storage=false", "--enable-html5-database=false"];
			return start(browser, [...(isBlocked ? denied : []), url], { ...env, HOME: folder });
		},
		close: server.kill,
	};
}
