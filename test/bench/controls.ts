import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import express from "express";
import ky from "ky";
import type { Answers } from "./child.ts";
import { event } from "./events.ts";
import { listen } from "./listen.ts";

export interface ControlOptions {
	kind: "parse" | "transaction" | "forward" | "ky";
	sink?: string;
}

/** Starts a plain `node:http` server that passes each parsed body to `use` and answers 202. */
const raw = (use: (body: unknown) => void) =>
	listen(
		createServer((request, response) => {
			const chunks: Buffer[] = [];
			request.on("data", (chunk) => chunks.push(chunk));
			request.on("end", () => {
				const body = JSON.parse(Buffer.concat(chunks).toString());
				use(body);
				response.writeHead(202, { "content-type": "application/json" });
				response.end(JSON.stringify({ accepted: body.events.length, rejected: [] }));
			});
		}),
	);

/** Stores each body in a transaction of its own, the obvious first implementation. */
function transactions(): (body: unknown) => void {
	const folder = mkdtempSync(join(tmpdir(), "eventferry-bench-"));
	process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
	const db = new DatabaseSync(join(folder, "control.db"));
	db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE batch (body TEXT)");
	const insert = db.prepare("INSERT INTO batch VALUES (?)");
	return (body) => insert.run(JSON.stringify(body));
}

/** Starts an Express server that forwards each event at once and stores nothing. */
function forwarding(sink: string) {
	const app = express();
	app.post("/v1/batch", express.json(), (request, response) => {
		for (const each of request.body.events) ky.post(sink, { json: each, retry: 0 }).catch(() => {});
		response.status(202).json({ accepted: request.body.events.length, rejected: [] });
	});
	return listen(createServer(app));
}

/** Sends requests with bare `ky` in parallel loops; resolves to the requests answered per second. */
async function kyLoops(sink: string, { ms, loops }: { ms: number; loops: number }): Promise<number> {
	const started = performance.now();
	let answered = 0;
	async function loop(): Promise<void> {
		while (performance.now() - started < ms) {
			await ky.post(sink, { json: event(answered), retry: 0 }).text();
			answered += 1;
		}
	}
	await Promise.all(Array.from({ length: loops }, loop));
	return answered / ((performance.now() - started) / 1_000);
}

/** Runs a server, or a client, that the proxy is compared with. */
export async function play({ kind, sink = "" }: ControlOptions): Promise<Answers> {
	if (kind === "ky") return { run: (options: { ms: number; loops: number }) => kyLoops(sink, options) };
	const use = kind === "transaction" ? transactions() : () => {};
	const url = kind === "forward" ? await forwarding(sink) : await raw(use);
	return { url: () => `${url}/v1/batch` };
}
