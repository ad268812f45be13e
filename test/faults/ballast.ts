import { closeSync, openSync, rmSync, writeSync } from "node:fs";

/** Fills the disk that a folder is on, to its last block, and frees it again. */
export function ballastIn(folder: string): { fill(): void; free(): void } {
	const ballast = `${folder}/ballast`;
	return {
		fill() {
			const file = openSync(ballast, "w");
			try {
				// Ends by throwing, which is what is wanted.
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
