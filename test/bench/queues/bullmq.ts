import { setTimeout as delay } from "node:timers/promises";
import { installed } from "./installed.ts";
import { insertInChunks, type Job, payload, type Queue } from "./queue.ts";
import { startRedis } from "./redis.ts";

/** Part of BullMQ's interface that the bench uses. */
interface BullMq {
	Queue: new (
		name: string,
		options: object,
	) => {
		addBulk(jobs: { name: string; data: object; opts: object }[]): Promise<unknown>;
		on(event: "error", listener: (error: Error) => void): void;
		close(): Promise<void>;
	};
	Worker: new (
		name: string,
		processor: (job: { data: Job }) => Promise<void>,
		options: object,
	) => { on(event: "error", listener: (error: Error) => void): void; close(): Promise<void> };
}

const printError = (error: Error) => process.stderr.write(`BullMQ: ${error.message}\n`);

/** BullMQ keeps an order per person only in its Pro edition: https://docs.bullmq.io/bullmq-pro/groups */
const bullMq = (concurrency: number): Queue => ({
	name: `BullMQ, ${concurrency === 1 ? "one event at a time in all" : `${concurrency} at once, no order`}`,
	settings: `concurrency ${concurrency}, on Redis with appendfsync always, over its socket; an order per person needs groups of BullMQ Pro`,
	async open() {
		const redis = await startRedis();
		if (!redis) return undefined;
		const { Queue: Waiting, Worker } = await installed<BullMq>("bullmq");
		const connection = { path: redis.path, maxRetriesPerRequest: null };
		const waiting = new Waiting("events", { connection });
		waiting.on("error", printError);
		return {
			add: (jobs) =>
				insertInChunks(jobs, (chunk) =>
					waiting.addBulk(
						chunk.map((job) => ({ name: "deliver", data: { ...job, payload }, opts: { removeOnComplete: true } })),
					),
				),
			async work(deliver, ms) {
				const worker = new Worker("events", ({ data }) => deliver(data), { connection, concurrency });
				worker.on("error", printError);
				await delay(ms);
				await worker.close();
			},
			async close() {
				await waiting.close();
				await redis.stop();
			},
		};
	},
});
export default [bullMq(1), bullMq(50)];
