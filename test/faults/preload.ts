import { spawnSync } from "node:child_process";
import { temporaryFolder } from "../support/served.ts";

/**
 * Library whose functions replace the C library's in a process that is started with it:
 * https://man7.org/linux/man-pages/man8/ld.so.8.html
 */
export interface Preload {
	/** Path for LD_PRELOAD; undefined if the library cannot be compiled. */
	library: string | undefined;
	/** Reason why there is no library; else empty. */
	reason: string;
	remove(): void;
}

/** Compiles a C file of this folder. Prints the reason to stderr if this machine cannot. */
export function compilePreload(name: string): Preload {
	const folder = temporaryFolder();
	const absent = (reason: string): Preload => {
		process.stderr.write(`tests with ${name}.c are skipped: ${reason}\n`);
		return { library: undefined, reason, remove: folder.remove };
	};
	if (process.platform !== "linux") return absent("LD_PRELOAD and /proc need Linux");
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
