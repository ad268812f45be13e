import { readdirSync, readFileSync } from "node:fs";

/** Where Linux tells of processes. */
const folder = "/proc";
/** ms of a tick, in which it counts. */
const tickMs = 10;

/** A process, whose it is, and what it and the ended ones of its children have taken of the CPU; undefined once it is gone. */
function read(pid: string): { pid: string; parent: string; ms: number } | undefined {
	try {
		const [, parent = "", ...fields] = (readFileSync(`${folder}/${pid}/stat`, "utf8").split(") ")[1] ?? "").split(" ");
		const ticks = fields.slice(9, 13).reduce((sum, field) => sum + Number(field), 0);
		return { pid, parent, ms: ticks * tickMs };
	} catch {
		return undefined;
	}
}

/** ms of CPU that this process and all below it have taken; undefined where that is not told. */
export function cpuMs(): number | undefined {
	if (process.platform !== "linux") return undefined;
	const all = readdirSync(folder)
		.filter((name) => /^\d+$/.test(name))
		.flatMap((pid) => read(pid) ?? []);
	const below = Map.groupBy(all, ({ parent }) => parent);
	const sum = (pid: string): number => (below.get(pid) ?? []).reduce((ms, each) => ms + each.ms + sum(each.pid), 0);
	return sum(String(process.pid)) + (all.find(({ pid }) => pid === String(process.pid))?.ms ?? 0);
}
