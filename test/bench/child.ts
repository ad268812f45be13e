import type { Reply } from "./children.ts";

/** Answers of a role, by the name of the question. */
export type Answers = Record<string, (argument: never) => unknown>;

export const roles = {
	load: () => import("./load.ts"),
	proxy: () => import("./proxy.ts"),
	controls: () => import("./controls.ts"),
	sink: () => import("./sink.ts"),
	latency: () => import("./latency.ts"),
	door: () => import("./queues/door.ts"),
};

const [role, options = "{}"] = process.argv.slice(2);
const { play } = await roles[role as keyof typeof roles]();

/** CPU time of this process in µs, all threads together. */
function cpu(): number {
	const { user, system } = process.cpuUsage();
	return user + system;
}

/** CPU time of the main thread in µs. */
function mainCpu(): number {
	const { user, system } = process.threadCpuUsage();
	return user + system;
}

const answers: Answers = { ready: () => true, cpu, mainCpu, ...(await play(JSON.parse(options))) };

process.on("message", async ({ id, question, argument }: { id: number; question: string; argument: unknown }) => {
	const reply = (rest: Omit<Reply, "id">) => process.send?.({ id, ...rest } satisfies Reply);
	try {
		reply({ value: await answers[question]?.(argument as never) });
	} catch (error) {
		reply({ error: String(error) });
	}
});
// Ctrl-C signals all processes. A child ignores the signal and ends with its parent, so that it can clean up.
process.on("SIGINT", () => {});
process.once("disconnect", async () => {
	await answers.stop?.(undefined as never);
	process.exit();
});
