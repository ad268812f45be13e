import { createServer } from "node:http";
import express from "express";
import pg from "pg";
import { checkEvent } from "../../../server/ingest/check-event.ts";
import type { Event } from "../../../shared/event.ts";
import type { Answers } from "../child.ts";
import { listen } from "../listen.ts";
import { installed } from "./installed.ts";

/** A way to keep events, behind the same Express route each. */
export type DoorKind = "BullMQ" | "pg-boss" | "graphile-worker" | "a Redis stream" | "a PostgreSQL insert";

export interface DoorOptions {
	kind: DoorKind;
	/** URL of an empty PostgreSQL database. */
	database: string;
	/** Socket of a Redis. */
	redis?: string;
}

/** Keeps the events of a batch; resolves once they are on disk. */
type Keep = (events: Event[]) => Promise<unknown>;

const personOf = ({ person }: Event) => person.email ?? person.userId ?? "";

/** Connections of each of them to the database. */
const connections = 10;

async function keepInBullMq({ redis }: DoorOptions): Promise<Keep> {
	type Jobs = { name: string; data: Event; opts: object }[];
	const { Queue } = await installed<{ Queue: new (name: string, options: object) => { addBulk(jobs: Jobs): unknown } }>(
		"bullmq",
	);
	const queue = new Queue("events", { connection: { path: redis } });
	// Its ids drop an event that comes again.
	return async (events) => queue.addBulk(events.map((data) => ({ name: "deliver", data, opts: { jobId: data.id } })));
}

async function keepInPgBoss({ database }: DoorOptions): Promise<Keep> {
	type Jobs = { id: string; singletonKey: string; data: Event }[];
	interface PgBoss {
		start(): Promise<unknown>;
		createQueue(name: string, options: object): Promise<void>;
		insert(name: string, jobs: Jobs): Promise<unknown>;
	}
	const { PgBoss } = await installed<{ PgBoss: new (options: object) => PgBoss }>("pg-boss");
	const boss = new PgBoss({ connectionString: database, max: connections, schedule: false });
	await boss.start();
	await boss.createQueue("events", { policy: "key_strict_fifo" });
	return (events) =>
		boss.insert(
			"events",
			events.map((data) => ({ id: data.id, singletonKey: personOf(data), data })),
		);
}

async function keepInGraphileWorker({ database }: DoorOptions): Promise<Keep> {
	type Jobs = { identifier: string; payload: Event; queueName: string; jobKey: string }[];
	interface Utils {
		migrate(): Promise<void>;
		addJobs(jobs: Jobs): Promise<unknown>;
	}
	const { makeWorkerUtils, Logger } = await installed<{
		makeWorkerUtils(options: object): Promise<Utils>;
		Logger: new (factory: () => () => void) => unknown;
	}>("graphile-worker");
	const pool = new pg.Pool({ connectionString: database, max: connections });
	pool.on("error", (error) => process.stderr.write(`graphile-worker: ${error.message}\n`));
	const utils = await makeWorkerUtils({ pgPool: pool, logger: new Logger(() => () => {}) });
	await utils.migrate();
	return (events) =>
		utils.addJobs(
			events.map((payload) => ({
				identifier: "deliver",
				payload,
				queueName: personOf(payload),
				jobKey: payload.id,
			})),
		);
}

async function keepInStream({ redis }: DoorOptions): Promise<Keep> {
	interface Pipeline {
		xadd(...values: string[]): Pipeline;
		exec(): Promise<[Error | null, unknown][]>;
	}
	const { Redis } = await installed<{ Redis: new (options: object) => { pipeline(): Pipeline } }>("ioredis");
	const client = new Redis({ path: redis });
	return async (events) => {
		const pipeline = client.pipeline();
		for (const event of events) pipeline.xadd("events", "*", "event", JSON.stringify(event));
		for (const [error] of await pipeline.exec()) if (error) throw error;
	};
}

async function keepInTable({ database }: DoorOptions): Promise<Keep> {
	const pool = new pg.Pool({ connectionString: database, max: connections });
	await pool.query(
		"CREATE TABLE event (n bigint GENERATED ALWAYS AS IDENTITY, id uuid PRIMARY KEY, person text NOT NULL, body text NOT NULL)",
	);
	const text = `INSERT INTO event (id, person, body)
		SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING`;
	return (events) =>
		pool.query({
			name: "keep",
			text,
			values: [events.map(({ id }) => id), events.map(personOf), events.map((event) => JSON.stringify(event))],
		});
}

const kinds: Record<DoorKind, (options: DoorOptions) => Promise<Keep>> = {
	BullMQ: keepInBullMq,
	"pg-boss": keepInPgBoss,
	"graphile-worker": keepInGraphileWorker,
	"a Redis stream": keepInStream,
	"a PostgreSQL insert": keepInTable,
};

/** Runs an Express server that checks events as the proxy does, keeps them, and answers once they are on disk. */
export async function play(options: DoorOptions): Promise<Answers> {
	const keep = await kinds[options.kind](options);
	const app = express();
	app.post("/v1/batch", express.json({ limit: "256kb" }), async (request, response) => {
		const events: Event[] = [];
		const rejected: unknown[] = [];
		for (const raw of request.body.events) {
			const checked = checkEvent(raw, { isBackend: false, clockOffset: 0, attributes: undefined, now: Date.now() });
			if ("stored" in checked) events.push(checked.stored.event);
			else rejected.push(checked.rejection);
		}
		await keep(events);
		response.status(202).json({ accepted: events.length, rejected });
	});
	const url = await listen(createServer(app));
	return { url: () => `${url}/v1/batch` };
}
