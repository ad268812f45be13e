import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { temporaryFolder } from "../../support/served.ts";

const command = (process.env.PATH ?? "")
	.split(delimiter)
	.map((folder) => join(folder, "redis-server"))
	.find(existsSync);

/** Version of Redis; undefined without a `redis-server` on PATH. */
export const redisVersion = (): string | undefined =>
	command && /v=([\d.]+)/.exec(execFileSync(command, ["--version"], { encoding: "utf8" }))?.[1];

/**
 * Starts a Redis that answers a write once it is on disk; resolves to undefined without a `redis-server` on PATH.
 * https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
 */
export async function startRedis(): Promise<{ path: string; stop(): Promise<void> } | undefined> {
	if (command === undefined) return undefined;
	const folder = temporaryFolder();
	const path = join(folder.path, "redis.sock");
	const args = ["--port", "0", "--unixsocket", path, "--dir", folder.path, "--save", ""];
	const server = spawn(command, [...args, "--appendonly", "yes", "--appendfsync", "always"], {
		stdio: ["ignore", "pipe", "ignore"],
	});
	const end = () => server.kill();
	process.once("exit", end);
	for await (const line of server.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
		if (String(line).includes("eady to accept connections")) break;
	}
	server.stdout.resume();
	return {
		path,
		async stop() {
			const ended = once(server, "exit");
			end();
			await ended;
			process.off("exit", end);
			folder.remove();
		},
	};
}
