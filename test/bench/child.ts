import type { Reply } from "./children.ts";

/** What a role can be asked. */
export type Answers = Record<string, (argument: never) => unknown>;

export const roles = {
	load: () => import("./load.ts"),
	proxy: () => import("./proxy.ts"),
	controls: () => import("./controls.ts"),
	sink: () => import("./sink.ts"),
	latency: () => import("./latency.ts"),
};

const [role, options = "{}"] = process.argv.slice(2);
const { play } = await roles[role as keyof typeof roles]();
/** µs of CPU that this process has used, all its threads together. */
function cpu(): number {
	const { user, system } = process.cpuUsage();
	return user + system;
}

/** µs of CPU of this thread alone. */
function mainCpu(): number {
	const { user, system } = process.threadCpuUsage();
	return user + system;
}

const answers: Answers = { ready: () => true, cpu, mainCpu, ...(await play(JSON.parse(options))) };

process.on("message", async ({ id, what, argument }: { id: number; what: string; argument: unknown }) => {
	const reply = (rest: Omit<Reply, "id">) => process.send?.({ id, ...rest } satisfies Reply);
	try {
		reply({ value: await answers[what]?.(argument as never) });
	} catch (error) {
		reply({ error: String(error) });
	}
});
// Ctrl-C reaches all of them: each ends with its parent instead, and removes what it made.
process.on("SIGINT", () => {});
process.once("disconnect", async () => {
	await answers.stop?.(undefined as never);
	process.exit();
});
