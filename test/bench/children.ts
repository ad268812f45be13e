import { fork } from "node:child_process";
import { once } from "node:events";
import type { roles } from "./child.ts";

export type Role = keyof typeof roles;

/** Child process with one role; it ends when this process does. */
export interface Child {
	ask<Answer>(question: string, argument?: unknown): Promise<Answer>;
	stop(): Promise<void>;
}

export interface Reply {
	id: number;
	value?: unknown;
	error?: string;
}

const running = new Set<Child>();

/** Starts a child process for a role; resolves once it is ready. */
export async function start(role: Role, options: unknown = {}, env: Record<string, string> = {}): Promise<Child> {
	const child = fork(new URL("./child.ts", import.meta.url), [role, JSON.stringify(options)], {
		env: {
			...(process.env.TMPDIR && { TMPDIR: process.env.TMPDIR }),
			PATH: process.env.PATH,
			NODE_ENV: "production",
			...env,
		},
		execArgv: process.env.BENCH_PROFILE === role ? ["--cpu-prof", "--cpu-prof-dir=/tmp/eventferry-bench"] : [],
	});
	const waiting = new Map<number, PromiseWithResolvers<unknown>>();
	let lastId = 0;
	child.on("message", ({ id, value, error }: Reply) => {
		if (error === undefined) waiting.get(id)?.resolve(value);
		else waiting.get(id)?.reject(new Error(`${role}: ${error}`));
		waiting.delete(id);
	});
	child.on("exit", (code) => {
		for (const { reject } of waiting.values()) reject(new Error(`the ${role} process ended with exit code ${code}`));
	});
	const self: Child = {
		ask<Answer>(question: string, argument?: unknown) {
			const answer = Promise.withResolvers<unknown>();
			const id = ++lastId;
			waiting.set(id, answer);
			child.send({ id, question, argument });
			return answer.promise as Promise<Answer>;
		},
		async stop() {
			running.delete(self);
			if (child.exitCode !== null || child.signalCode !== null) return;
			const exited = once(child, "exit");
			child.disconnect();
			await exited;
		},
	};
	running.add(self);
	await self.ask("ready");
	return self;
}

export async function stopAll(): Promise<void> {
	await Promise.all([...running].map((child) => child.stop()));
}
