import { setTimeout as delay } from "node:timers/promises";
import { installed } from "./installed.ts";
import { inserted, type Job, payload, type Queue } from "./queue.ts";
import { startRedis } from "./redis.ts";

/** As much of BullMQ as is used here. */
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

const tell = (error: Error) => process.stderr.write(`BullMQ: ${error.message}\n`);

const bullMq = (concurrency: number): Queue => ({
	name: `BullMQ, ${concurrency === 1 ? "one event at a time in all" : `${concurrency} at once, no order`}`,
	settings: `concurrency ${concurrency}, on Redis with appendfsync always, over its socket; an order per person is BullMQ Pro's (groups)`,
	async open() {
		const redis = await startRedis();
		if (!redis) return undefined;
		const { Queue: Waiting, Worker } = await installed<BullMq>("bullmq");
		const connection = { path: redis.path, maxRetriesPerRequest: null };
		const waiting = new Waiting("events", { connection });
		waiting.on("error", tell);
		return {
			add: (jobs) =>
				inserted(jobs, (some) =>
					waiting.addBulk(
						some.map((job) => ({ name: "deliver", data: { ...job, payload }, opts: { removeOnComplete: true } })),
					),
				),
			async work(deliver, ms) {
				const worker = new Worker("events", ({ data }) => deliver(data), { connection, concurrency });
				worker.on("error", tell);
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
