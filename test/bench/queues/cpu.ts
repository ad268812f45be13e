import { readdirSync, readFileSync } from "node:fs";

/** Folder with Linux's information on processes: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
const folder = "/proc";
/** Length of a clock tick in ms, the unit of CPU time in `/proc`. */
const tickMs = 10;

/** Reads a process's parent and CPU time, ended children included; undefined once the process is gone. */
function read(pid: string): { pid: string; parent: string; ms: number } | undefined {
	try {
		const [, parent = "", ...fields] = (readFileSync(`${folder}/${pid}/stat`, "utf8").split(") ")[1] ?? "").split(" ");
		const ticks = fields.slice(9, 13).reduce((sum, field) => sum + Number(field), 0);
		return { pid, parent, ms: ticks * tickMs };
	} catch {
		return undefined;
	}
}

/** CPU time in ms of this process and all its descendants; undefined on systems other than Linux. */
export function cpuMs(): number | undefined {
	if (process.platform !== "linux") return undefined;
	const all = readdirSync(folder)
		.filter((name) => /^\d+$/.test(name))
		.flatMap((pid) => read(pid) ?? []);
	const children = Map.groupBy(all, ({ parent }) => parent);
	const sum = (pid: string): number => (children.get(pid) ?? []).reduce((ms, each) => ms + each.ms + sum(each.pid), 0);
	return sum(String(process.pid)) + (all.find(({ pid }) => pid === String(process.pid))?.ms ?? 0);
}
