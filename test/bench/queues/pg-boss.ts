import { installed } from "./installed.ts";
import { insertInChunks, type Job, payload, type Queue } from "./queue.ts";

/** Part of pg-boss's interface that the bench uses. */
interface PgBoss {
	on(event: "error", listener: (error: Error) => void): void;
	start(): Promise<unknown>;
	stop(options: { graceful: boolean }): Promise<void>;
	createQueue(name: string, options: { policy: string }): Promise<void>;
	insert(name: string, jobs: { singletonKey: string; data: object }[]): Promise<unknown>;
	fetch(name: string, options: { batchSize: number }): Promise<{ id: string; data: Job }[]>;
	complete(name: string, ids: string[]): Promise<unknown>;
}

const name = "events";

const pgBoss = (batchSize: number, loops: number): Queue => ({
	name: `pg-boss, ${batchSize === 1 ? "one at a time" : `batches of ${batchSize}`}`,
	settings: `policy key_strict_fifo, singletonKey = person; ${loops} loops of fetch (batchSize ${batchSize}) and complete without any polling interval, each batch completed in one call`,
	async open(url) {
		const { PgBoss } = await installed<{ PgBoss: new (options: object) => PgBoss }>("pg-boss");
		const boss = new PgBoss({ connectionString: url, max: loops + 2, schedule: false });
		boss.on("error", (error) => process.stderr.write(`pg-boss: ${error.message}\n`));
		await boss.start();
		await boss.createQueue(name, { policy: "key_strict_fifo" });
		return {
			add: (jobs) =>
				insertInChunks(jobs, (chunk) =>
					boss.insert(
						name,
						chunk.map((job) => ({ singletonKey: job.person, data: { ...job, payload } })),
					),
				),
			async work(deliver, ms) {
				const until = performance.now() + ms;
				async function loop(): Promise<void> {
					while (performance.now() < until) {
						const jobs = await boss.fetch(name, { batchSize });
						await Promise.all(jobs.map(({ data }) => deliver(data)));
						if (jobs.length > 0)
							await boss.complete(
								name,
								jobs.map(({ id }) => id),
							);
					}
				}
				await Promise.all(Array.from({ length: loops }, loop));
			},
			close: () => boss.stop({ graceful: false }),
		};
	},
});
export default [pgBoss(1, 4), pgBoss(100, 2), pgBoss(1_000, 2)];
