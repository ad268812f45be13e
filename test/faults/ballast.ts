import { closeSync, openSync, rmSync, writeSync } from "node:fs";

/** Returns functions that fill the disk of a folder to its last block, and free it again. */
export function ballastIn(folder: string): { fill(): void; free(): void } {
	const ballast = `${folder}/ballast`;
	return {
		fill() {
			const file = openSync(ballast, "w");
			try {
				// Write until the disk is full, which throws ENOSPC.
				for (const block = Buffer.alloc(4_096); ; ) writeSync(file, block);
			} catch (error) {
				if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
			} finally {
				closeSync(file);
			}
		},
		free: () => rmSync(ballast),
	};
}
