import { spawnSync } from "node:child_process";
import { temporaryFolder } from "../support/served.ts";

/** A library that stands before the C library of a process that is started with it. */
export interface Preload {
	/** What to set LD_PRELOAD to; undefined where it cannot be had, for the reason told. */
	library: string | undefined;
	reason: string;
	remove(): void;
}

/** Compiles one of this folder's C files; where that cannot be, says why on stderr. */
export function compilePreload(name: string): Preload {
	const folder = temporaryFolder();
	const absent = (reason: string): Preload => {
		process.stderr.write(`${name}.c is not used, and what needs it skipped: ${reason}\n`);
		return { library: undefined, reason, remove: folder.remove };
	};
	if (process.platform !== "linux") return absent("LD_PRELOAD and /proc are Linux's");
	const library = `${folder.path}/${name}.so`;
	const source = new URL(`./${name}.c`, import.meta.url).pathname;
	const args = ["-shared", "-fPIC", "-O2", "-Wall", "-o", library, source, "-ldl", "-lpthread"];
	for (const compiler of ["cc", "gcc", "clang"]) {
		const { status, error, stderr } = spawnSync(compiler, args, { encoding: "utf8" });
		if (error) continue;
		if (status !== 0) throw new Error(`${compiler} does not compile ${name}.c: ${stderr}`);
		return { library, reason: "", remove: folder.remove };
	}
	return absent("there is no C compiler (cc, gcc or clang)");
}
