import { readFileSync } from "node:fs";

/** The package's version. package.json is one folder above the source, two above the build. */
export const version: string = JSON.parse(
	readFileSync(
		new URL(import.meta.url.endsWith(".ts") ? "../package.json" : "../../package.json", import.meta.url),
		"utf8",
	),
).version;
