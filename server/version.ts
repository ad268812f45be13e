import { createRequire } from "node:module";

/** Version of the package. package.json is one folder above the source, two above the build. */
export const { version }: { version: string } = createRequire(import.meta.url)(
	import.meta.url.endsWith(".ts") ? "../package.json" : "../../package.json",
);

/**
 * Tells whether eventferry runs on a Node of this version, such as `24.7.0`. The SQLite of other Nodes fails on numbered
 * parameters (`?1`): https://github.com/nodejs/node/pull/59350
 */
export function supportsNode(version: string): boolean {
	const [major = 0, minor = 0] = version.split(".").map(Number);
	return (major === 22 && minor >= 20) || (major === 24 && minor >= 7) || major > 24;
}

/** Error for a Node that is too old, or of a release line that eventferry does not run on. */
export class UnsupportedNodeError extends Error {
	override readonly name = "UnsupportedNodeError";
	readonly code = "unsupported_node";
	constructor(version: string) {
		super(`eventferry needs Node 22.20 or a later 22, or Node 24.7 or newer: this is ${version}`);
	}
}
