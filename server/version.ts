import { readFileSync } from "node:fs";

/** The package's version; its package.json is a folder up from the source, two from the build. */
export const version: string = JSON.parse(
	readFileSync(
		new URL(import.meta.url.endsWith(".ts") ? "../package.json" : "../../package.json", import.meta.url),
		"utf8",
	),
).version;
