import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import { run } from "../../server/command/run.ts";
import { startSandbox } from "../../server/sandbox/index.ts";
import { adminToken, origin, serverKey, writeKey } from "./proxy.ts";

export const cli = fileURLToPath(new URL("../../server/cli.ts", import.meta.url));

export type Environment = Record<string, string | undefined>;

/** Runs a command in this process, which suits commands that fail before they start anything. */
export async function runHere(args: string[], env: Environment = {}) {
	const output = { stdout: "", stderr: "" };
	const spies = (["stdout", "stderr"] as const).map((name) =>
		vi.spyOn(process[name], "write").mockImplementation((text) => {
			output[name] += text;
			return true;
		}),
	);
	for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
	try {
		return { code: await run(args), ...output };
	} finally {
		for (const spy of spies) spy.mockRestore();
		vi.unstubAllEnvs();
	}
}

/** Prepares the `eventferry` command in an empty folder, with simulated providers. `stop()` removes everything. */
export async function commandLine() {
	const folder = await mkdtemp(join(tmpdir(), "eventferry-"));
	const sandbox = await startSandbox();
	const started: ChildProcess[] = [];

	/** A valid configuration that delivers to the sandbox's Crisp. */
	const validEnvironment = (): Environment => {
		const { websiteId, identifier, key, baseUrl } = sandbox.destinations.crisp;
		return {
			EVENTFERRY_WRITE_KEY: writeKey,
			EVENTFERRY_ORIGINS: origin,
			EVENTFERRY_SERVER_KEY: serverKey,
			EVENTFERRY_ADMIN_TOKEN: adminToken,
			EVENTFERRY_STORE: `sqlite:${join(folder, "store.db")}`,
			CRISP_WEBSITE_ID: websiteId,
			CRISP_IDENTIFIER: identifier,
			CRISP_KEY: key,
			CRISP_BASE_URL: baseUrl,
		};
	};

	function start(args: string[], env: Environment) {
		const child = spawn(process.execPath, [cli, ...args], {
			cwd: folder,
			env: { PATH: process.env.PATH, ...env },
			stdio: ["ignore", "pipe", "pipe"],
		});
		started.push(child);
		const lines: string[] = [];
		let rest = "";
		let heard = () => {};
		child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
			const parts = (rest + chunk).split("\n");
			rest = parts.pop() ?? "";
			lines.push(...parts);
			heard();
		});
		const stderr = text(child.stderr);
		const exit = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string);
		return {
			child,
			exit,
			stderr,
			/** Resolves to all of stdout once the command has ended. */
			stdout: async () => {
				await exit;
				return [...lines, rest].join("\n");
			},
			/** Resolves to the first line of stdout. Rejects if the command ends without one. */
			line: () =>
				new Promise<string>((done, fail) => {
					heard = () => lines[0] !== undefined && done(lines[0]);
					heard();
					exit.then(async (code) => fail(new Error(`ended with ${code}: ${await stderr}`)), fail);
				}),
		};
	}

	return {
		folder,
		sandbox,
		validEnvironment,
		start,

		/** Runs a command to its end. */
		async run(args: string[], env: Environment = {}) {
			const command = start(args, env);
			const [code, stdout, stderr] = await Promise.all([command.exit, command.stdout(), command.stderr]);
			return { code, stdout, stderr };
		},

		/** Starts `serve` and resolves once it listens. */
		async serve(args: string[] = ["--port", "0"], env: Environment = validEnvironment()) {
			const command = start(["serve", ...args], env);
			const line = await command.line();
			return { ...command, firstLine: line, url: line.replace("eventferry listening on ", "") };
		},

		async stop() {
			for (const child of started.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
				const ended = once(child, "exit");
				child.kill("SIGKILL");
				await ended;
			}
			await sandbox.stop();
			await rm(folder, { recursive: true });
		},
	};
}
export type CommandLine = Awaited<ReturnType<typeof commandLine>>;
