import { setTimeout as delay } from "node:timers/promises";
import { installed } from "./installed.ts";
import { insertInChunks, type Job, payload, type Queue } from "./queue.ts";

/** Part of graphile-worker's interface that the bench uses. */
interface GraphileWorker {
	makeWorkerUtils(options: object): Promise<{
		migrate(): Promise<void>;
		addJobs(jobs: { identifier: string; payload: object; queueName: string }[]): Promise<unknown>;
		release(): Promise<void>;
	}>;
	run(options: object): Promise<{ stop(): Promise<void>; promise: Promise<void> }>;
	Logger: new (factory: () => () => void) => unknown;
}

const concurrentJobs = 10;

/** graphile-worker without `localQueue`, which breaks the order: https://github.com/graphile/worker/issues/621 */
export default {
	name: "graphile-worker",
	settings: `a queue per person; concurrentJobs ${concurrentJobs}, finished jobs completed in batches (completeJobBatchDelay 0); no localQueue, which would run jobs of one queue concurrently`,
	async open(connectionString) {
		const { makeWorkerUtils, run, Logger } = await installed<GraphileWorker>("graphile-worker");
		const logger = new Logger(() => () => {});
		const utils = await makeWorkerUtils({ connectionString, logger });
		await utils.migrate();
		return {
			add: (jobs) =>
				insertInChunks(jobs, (chunk) =>
					utils.addJobs(
						chunk.map((job) => ({ identifier: "deliver", payload: { ...job, payload }, queueName: job.person })),
					),
				),
			async work(deliver, ms) {
				const runner = await run({
					preset: {
						worker: {
							connectionString,
							logger,
							concurrentJobs,
							maxPoolSize: concurrentJobs + 2,
							completeJobBatchDelay: 0,
						},
					},
					noHandleSignals: true,
					taskList: { deliver: (job: Job) => deliver(job) },
				});
				await delay(ms);
				await runner.stop();
			},
			close: () => utils.release(),
		};
	},
} satisfies Queue;
