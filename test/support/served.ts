import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, vi } from "vitest";
import type { Sandbox } from "../../server/sandbox/index.ts";

/** Creates an empty folder, and a function that removes it. */
export function temporaryFolder(): { path: string; remove(): void } {
	const path = mkdtempSync(join(tmpdir(), "eventferry-"));
	// A process that was just killed may still be releasing a file.
	return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** The environment of a proxy that delivers to the sandbox, with every key a test needs. */
export function environment(sandbox: Sandbox): Record<string, string> {
	const { crisp, helpcrunch, vibetrace } = sandbox.destinations;
	return {
		PATH: process.env.PATH ?? "",
		PORT: "0",
		EVENTFERRY_WRITE_KEY: "site_test",
		EVENTFERRY_ORIGINS: "https://shop.example",
		EVENTFERRY_SERVER_KEY: "server-key",
		EVENTFERRY_ADMIN_TOKEN: "admin-token",
		CRISP_WEBSITE_ID: crisp.websiteId,
		CRISP_IDENTIFIER: crisp.identifier,
		CRISP_KEY: crisp.key,
		CRISP_BASE_URL: crisp.baseUrl,
		HELPCRUNCH_API_KEY: helpcrunch.apiKey,
		HELPCRUNCH_BASE_URL: helpcrunch.baseUrl,
		VIBETRACE_API_KEY: vibetrace.apiKey,
		VIBETRACE_BASE_URL: vibetrace.baseUrl,
	};
}

export interface Served {
	url: string;
	process: ChildProcess;
	/** Everything that the process has written so far. */
	output(): string;
	/** Ends the process at once, as a crash would. */
	kill(): Promise<void>;
	/** Ends the process as an operator would. Resolves to its exit code. */
	stop(): Promise<number | null>;
}

/** Starts `eventferry serve` as a process of its own, by default from source. Resolves once it listens. */
export async function serve(
	env: Record<string, string>,
	args: string[] = [],
	command = "server/cli.ts",
): Promise<Served> {
	const child = spawn(process.execPath, [command, "serve", ...args], {
		env,
		stdio: ["ignore", "pipe", "pipe"],
	});
	let output = "";
	for (const stream of [child.stdout, child.stderr]) {
		stream.on("data", (chunk) => {
			output += chunk;
		});
	}
	const exited = once(child, "exit");
	const line = await Promise.race([
		once(createInterface(child.stdout), "line").then(([text]) => String(text)),
		exited.then(() => Promise.reject(new Error(`eventferry ended before it listened: ${output}`))),
	]);
	const end = async (signal: NodeJS.Signals) => {
		child.kill(signal);
		await exited;
		return child.exitCode;
	};
	return {
		url: line.replace("eventferry listening on ", ""),
		process: child,
		output: () => output,
		kill: async () => void (await end("SIGKILL")),
		stop: () => end("SIGTERM"),
	};
}

/** Posts events as the backend. */
export async function postEvents(url: string, events: unknown[], serverKey = "server-key"): Promise<Response> {
	return fetch(`${url}/v1/events`, {
		method: "POST",
		headers: { "Content-Type": "application/json", Authorization: `Bearer ${serverKey}` },
		body: JSON.stringify({ events }),
	});
}

export async function stats(url: string) {
	const response = await fetch(`${url}/admin/stats`, { headers: { Authorization: "Bearer admin-token" } });
	return response.json();
}

/** Resolves once nothing is in the journal or waiting for any destination. */
export async function delivered(url: string, timeout = 30_000): Promise<void> {
	await vi.waitFor(
		async () => {
			const { journal, destinations } = await stats(url);
			const waiting = Object.values(destinations as Record<string, { waiting: number }>).map((each) => each.waiting);
			expect([journal, ...waiting]).toEqual([0, ...waiting.map(() => 0)]);
		},
		{ timeout, interval: 20 },
	);
}

/** A valid `track` event of Ada's. */
export const track = (name: string, more: Record<string, unknown> = {}) => ({
	id: crypto.randomUUID(),
	type: "track",
	name,
	at: Date.now(),
	person: { email: "ada@example.com" },
	...more,
});
