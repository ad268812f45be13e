import { hash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";

/** Folder of the build: two folders above this file in the build, else `dist/` in the package's root. */
const folder = new URL(import.meta.url.endsWith(".ts") ? "../../dist/" : "../../", import.meta.url);

/** Reads a file of the build by its path in `dist/`. Undefined if it has not been built. */
export function readBuilt(path: string): Buffer | undefined {
	const url = new URL(path, folder);
	return existsSync(url) ? readFileSync(url) : undefined;
}

/** Computes a short hash of a file's content, for its ETag. */
export const digestOf = (content: Buffer): string => hash("sha256", content, "base64url").slice(0, 16);
