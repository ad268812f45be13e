import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "../support/served.ts";
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

const executable = process.env.FIREFOX_PATH ?? "firefox-esr";

const quiet = [
	// No requests of the browser's own, and no page that it opens by itself.
	["app.update.enabled", false],
	["browser.aboutwelcome.enabled", false],
	["browser.shell.checkDefaultBrowser", false],
	// After a crash, no pages of the session before.
	["browser.sessionstore.resume_from_crash", false],
	["datareporting.policy.dataSubmissionEnabled", false],
	["datareporting.policy.firstRunURL", ""],
	["network.captive-portal-service.enabled", false],
	["network.connectivity-service.enabled", false],
	["services.settings.server", "data:,"],
	["toolkit.telemetry.server", ""],
	["intl.accept_languages", "en-US"],
] as const;

/** Starts Firefox with a profile in a folder: https://kb.mozillazine.org/User.js_file. */
async function startFirefox(folder: string, args: string[], isBlocked = false) {
	const settings = [...quiet, ["network.cookie.cookieBehavior", isBlocked ? 2 : 0]];
	const lines = settings.map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
	await writeFile(join(folder, "user.js"), lines.join(""));
	return start(executable, ["--headless", "--no-remote", "--profile", folder, ...args], {
		MOZ_CRASHREPORTER_DISABLE: "1",
	});
}

interface Message {
	id?: number;
	type: string;
	method?: string;
	params?: { source?: { context?: string }; type?: string; level?: string; method?: string; text?: string };
	result?: unknown;
	message?: string;
}

/** Connects to WebDriver BiDi: https://www.w3.org/TR/webdriver-bidi/. */
async function connect(address: string) {
	const socket = new WebSocket(address);
	await once(socket, "open");
	const waiting = new Map<number, PromiseWithResolvers<unknown>>();
	const listeners = new Set<(message: Message) => void>();
	let ids = 0;
	socket.addEventListener("message", ({ data }) => {
		const message: Message = JSON.parse(data);
		if (message.id === undefined) for (const listen of listeners) listen(message);
		else if (message.type === "success") waiting.get(message.id)?.resolve(message.result);
		else waiting.get(message.id)?.reject(new Error(message.message));
	});
	return {
		listeners,
		/** Carries out a command. `Result` is what the standard says that it returns. */
		send<Result>(method: string, params: object): Promise<Result> {
			const id = ++ids;
			const answer = Promise.withResolvers<unknown>();
			waiting.set(id, answer);
			socket.send(JSON.stringify({ id, method, params }));
			return answer.promise.finally(() => waiting.delete(id)) as Promise<Result>;
		},
	};
}
type Connection = Awaited<ReturnType<typeof connect>>;

function pageOf({ send, listeners }: Connection, context: string): Page {
	const evaluate = async (work: unknown, argument?: unknown) => {
		const { type, result, exceptionDetails } = await send<{
			type: string;
			result: { value?: string };
			exceptionDetails?: { text: string };
		}>("script.evaluate", {
			expression: `(async () => ${toJson}(await ${callOf(work, argument)}))()`,
			target: { context },
			awaitPromise: true,
		});
		if (type === "exception") throw new Error(exceptionDetails?.text);
		return fromJson(result.value);
	};
	return {
		...watching(evaluate),
		evaluate,
		goto: (url) => send("browsingContext.navigate", { context, url, wait: "complete" }),
		reload: () => send("browsingContext.reload", { context, wait: "complete" }),
		async goBack() {
			await send("browsingContext.traverseHistory", { context, delta: -1 });
		},
		async click(value) {
			const { nodes } = await send<{ nodes: { sharedId: string }[] }>("browsingContext.locateNodes", {
				context,
				locator: { type: "css", value },
			});
			const origin = { type: "element", element: { sharedId: nodes[0]?.sharedId } };
			await send("input.performActions", {
				context,
				actions: [
					{
						type: "pointer",
						id: "mouse",
						actions: [
							{ type: "pointerMove", x: 0, y: 0, origin },
							{ type: "pointerDown", button: 0 },
							{ type: "pointerUp", button: 0 },
						],
					},
				],
			});
		},
		async close({ runBeforeUnload = false } = {}) {
			await send("browsingContext.close", { context, promptUnload: runBeforeUnload });
		},
		on(kind: "console" | "pageerror", listener: (given: never) => void) {
			listeners.add(({ method, params = {} }) => {
				if (method !== "log.entryAdded" || params.source?.context !== context) return;
				const { type, level = "", text = "" } = params;
				const given = type === "console" ? { type: () => params.method ?? level, text: () => text } : new Error(text);
				if (kind === (type === "console" ? "console" : "pageerror")) listener(given as never);
			});
		},
	};
}

/** Starts Firefox: the one installed, or the executable at `FIREFOX_PATH`. */
export async function launchFirefox(): Promise<Engine> {
	const folder = temporaryFolder();
	const firefox = await startFirefox(folder.path, ["--remote-debugging-port=0", "about:blank"]);
	const connection = await connect(`${await lineOf(firefox, /WebDriver BiDi listening on (\S+)/)}/session`);
	const { send, listeners } = connection;
	await send("session.new", { capabilities: {} });
	await send("session.subscribe", { events: ["log.entryAdded"] });
	let opening: Promise<unknown> = Promise.resolve();

	return {
		async visitor({ isDriven = false, userAgent } = {}): Promise<Visitor> {
			const { userContext } = await send<{ userContext: string }>("browser.createUserContext", {});
			const preload = (functionDeclaration: string) =>
				send<never>("script.addPreloadScript", { functionDeclaration, userContexts: [userContext] });
			if (userAgent) await send("emulation.setUserAgentOverride", { userAgent, userContexts: [userContext] });
			await preload(`() => { ${saysDriven(isDriven)} }`);
			return {
				async newPage() {
					// In a window of its own, as tabs hide each other. Firefox fails to open several at a time.
					const opened = opening.then(() =>
						send<{ context: string }>("browsingContext.create", { type: "window", userContext }),
					);
					opening = opened.catch(() => {});
					return pageOf(connection, (await opened).context);
				},
				addInitScript: (script, argument) => preload(`() => { ${callOf(script, argument)} }`),
				async close() {
					listeners.clear();
					await send("browser.removeUserContext", { userContext });
				},
			};
		},
		run: (url, path, isBlocked) => startFirefox(path, [url], isBlocked),
		async close() {
			await firefox.kill();
			folder.remove();
		},
	};
}
