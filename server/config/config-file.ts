import { existsSync } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { isRecord } from "../providers/json.ts";
import { ConfigError } from "./config-error.ts";

const defaultFiles = ["eventferry.config.mjs", "eventferry.config.json"];

/**
 * Reads a configuration file, by default `eventferry.config.mjs` or `.json` in the working folder; resolves to an empty
 * configuration if neither exists. Rejects with {@link ConfigError} if the file cannot be used.
 */
export async function readConfigFile(file: string | undefined): Promise<unknown> {
	const path = file ?? defaultFiles.find((name) => existsSync(name));
	if (path === undefined) return {};
	const config = await load(path).catch((error) => refuse(path, reasonOf(error, extname(path))));
	if (isRecord(config)) return config;
	const subject = extname(path) === ".json" ? "it" : "its default export";
	return refuse(path, `${subject} must be an object, such as { sites: […] }`);
}

async function load(path: string): Promise<unknown> {
	await access(path);
	if (extname(path) === ".json") return JSON.parse(await readFile(path, "utf8"));
	const { default: config } = await import(pathToFileURL(resolve(path)).href);
	if (config === undefined) throw new TypeError("it has no default export");
	return config;
}

function refuse(name: string, reason: string): never {
	throw new ConfigError([{ name, message: `cannot be used: ${reason}` }]);
}

/**
 * Explains why a file cannot be used, without text that may contain a key. JSON.parse quotes the file, so only the
 * position is kept. Node's own messages are kept whole; other errors are reduced to their name and line.
 */
function reasonOf(error: unknown, extension: string): string {
	if (!(error instanceof Error)) return "it throws something that is not an error";
	if ("code" in error && error.code === "ENOENT") return "there is no such file";
	if (extension === ".json") {
		const [position] = /(?:line \d+ column \d+|position \d+)/.exec(error.message) ?? [];
		return `it is not JSON${position ? `, see ${position}` : ""}`;
	}
	const isFromNode = error instanceof SyntaxError || error instanceof TypeError || error instanceof ReferenceError;
	if (isFromNode || "code" in error) return error.message;
	const [, line] = /\.mjs[^:]*:(\d+):\d+/.exec(error.stack ?? "") ?? [];
	return `it throws ${error.name}${line === undefined ? "" : ` at line ${line}`}`;
}
