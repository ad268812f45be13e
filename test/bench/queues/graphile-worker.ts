import { setTimeout as delay } from "node:timers/promises";
import { installed } from "./installed.ts";
import { inserted, type Job, payload, type Queue } from "./queue.ts";

/** As much of graphile-worker as is used here. */
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

export default {
	name: "graphile-worker",
	settings: `a queue per person; concurrentJobs ${concurrentJobs}, finished jobs told in batches (completeJobBatchDelay 0); no localQueue, with which a queue's jobs run at the same time`,
	async open(connectionString) {
		const { makeWorkerUtils, run, Logger } = await installed<GraphileWorker>("graphile-worker");
		const logger = new Logger(() => () => {});
		const utils = await makeWorkerUtils({ connectionString, logger });
		await utils.migrate();
		return {
			add: (jobs) =>
				inserted(jobs, (some) =>
					utils.addJobs(
						some.map((job) => ({ identifier: "deliver", payload: { ...job, payload }, queueName: job.person })),
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
