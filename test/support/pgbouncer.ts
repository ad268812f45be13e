import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { vi } from "vitest";
import { type Cluster, freePort } from "./postgres.ts";
import { temporaryFolder } from "./served.ts";

/** A pooler in front of a cluster. */
export interface PgBouncer {
	port: number;
	stop(): Promise<void>;
}

/** Path with the folder in which distributions put PgBouncer. */
const PATH = `${process.env.PATH}:/usr/sbin`;

/** Tells whether PgBouncer is installed. */
export const hasPgBouncer = spawnSync("pgbouncer", ["--version"], { env: { PATH } }).status === 0;

/** Starts PgBouncer in transaction mode, for users of a cluster with their passwords. */
export async function startPgBouncer(cluster: Cluster, users: Record<string, string>): Promise<PgBouncer> {
	const folder = temporaryFolder();
	chmodSync(folder.path, 0o755);
	const port = await freePort();
	const [settings, userList] = [join(folder.path, "pgbouncer.ini"), join(folder.path, "users.txt")];
	const lines = Object.entries(users).map(([user, password]) => `"${user}" "${password}"\n`);
	writeFileSync(userList, lines.join(""));
	writeFileSync(
		settings,
		`[databases]
* = host=127.0.0.1 port=${cluster.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${userList}
pool_mode = transaction
max_client_conn = 300
default_pool_size = 20
server_login_retry = 1
`,
	);
	// It refuses to run as root.
	const as = process.getuid?.() === 0 ? ["-u", "postgres"] : [];
	const bouncer = spawn("pgbouncer", [...as, settings], { env: { PATH }, stdio: "ignore" });
	const [user, password] = Object.entries(users)[0] ?? [];
	await vi.waitFor(
		async () => {
			const client = new pg.Client({ host: "127.0.0.1", port, user, password, database: "postgres" });
			client.on("error", () => {});
			try {
				await client.connect();
			} finally {
				await client.end();
			}
		},
		{ timeout: 30_000 },
	);
	return {
		port,
		async stop() {
			const exited = once(bouncer, "exit");
			bouncer.kill("SIGKILL");
			await exited;
			folder.remove();
		},
	};
}
